package ruleset

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/nfexpr"
)

// reader knows what the packets of a flow have in them where a base chain sees them.
type reader struct {
	*flow
	at chain
}

func (r reader) chainFamily() nfexpr.Family {
	if f := r.at.family; f == unix.NFPROTO_NETDEV || f == unix.NFPROTO_BRIDGE {
		return f
	}
	return r.family
}

// beforeTracking reports whether connection tracking has not seen the packets, or may
// not have.
func (r reader) beforeTracking() bool {
	switch r.at.hook {
	case hookIngress:
		return !r.inside
	case unix.NF_INET_PRE_ROUTING:
		return !r.inside && r.at.priority <= trackingPriority
	case unix.NF_INET_LOCAL_OUT:
		return r.at.priority <= trackingPriority
	}
	return false
}

// load puts what an expression loads into the registers of packets.
func (r reader) load(e nfexpr.Expression, p *packets) {
	for i := range e.Size {
		p.regs.bytes[e.Dst+i] = r.loaded(e.Load, p, i)
		p.regs.names[(e.Dst+i)/4] = e.Load.Name
	}
	p.regs.pad(e.Dst + e.Size)
}

// loaded is byte i of what is loaded.
func (r reader) loaded(l nfexpr.Loading, p *packets, i int) registerByte {
	switch l.From {
	case nfexpr.FromNetworkHeader:
		return r.networkHeader(int(l.Offset)+i, p)
	case nfexpr.FromTransportHeader:
		return r.transportHeader(int(l.Offset)+i, p)
	case nfexpr.FromL4Proto:
		return constant([]byte{ipProto(r.proto)}, i)
	case nfexpr.FromNFProto:
		return constant([]byte{byte(r.chainFamily())}, i)
	case nfexpr.FromEtherType:
		return constant(binary.BigEndian.AppendUint16(nil, etherType(r.family)), i)
	case nfexpr.FromPacketType, nfexpr.FromDirection: // PACKET_HOST, IP_CT_DIR_ORIGINAL
		return constant(nil, i)
	case nfexpr.FromConnState:
		return r.connState(p, i)
	case nfexpr.FromConnStatus:
		return r.connStatus(p, i)
	case nfexpr.FromMark:
		if p.state.mark.known && i < 4 {
			return p.state.mark.bytes[i]
		}
	case nfexpr.FromConnMark:
		if p.state.connMark.known && i < 4 {
			return p.state.connMark.bytes[i]
		}
	case nfexpr.FromOriginalPort:
		return registerByte{from: nfexpr.FromDestPort, index: uint8(i), mask: 0xff}
	case nfexpr.FromOriginalAddr:
		return registerByte{from: nfexpr.FromDestAddr, index: uint8(i), mask: 0xff}
	case nfexpr.FromAddrType:
		if !p.state.moved {
			return constant(binary.NativeEndian.AppendUint32(nil, unix.RTN_LOCAL), i)
		}
		return registerByte{from: nfexpr.FromElsewhere, index: uint8(i), mask: 0xff}
	}
	if b, ok := r.device(l.From); ok {
		return constant(b, i)
	}
	return registerByte{from: l.From, index: uint8(i), mask: 0xff}
}

// The bits of a connection's state and of its status that are compared
// (linux/netfilter/nf_conntrack_common.h), as nf_tables has them.
const (
	stateInvalid   = 1 << 0
	stateNew       = 1 << 3
	stateUntracked = 1 << 6
	statusDestNAT  = 1 << 5
)

// connState is the state of the connection whose first packets these are. Chains in
// front of connection tracking see none, which counts as invalid.
func (r reader) connState(p *packets, i int) registerByte {
	bits := uint32(stateNew)
	switch before := r.beforeTracking(); {
	case p.state.untracked:
		bits = stateUntracked
	case before && r.at.priority == trackingPriority: // either may come first
		return registerByte{from: nfexpr.FromConnState, index: uint8(i), mask: 0xff}
	case before:
		bits = stateInvalid
	}
	return constant(binary.NativeEndian.AppendUint32(nil, bits), i)
}

// connStatus is a byte of the status: only whether NAT has changed the destination is
// known.
func (r reader) connStatus(p *packets, i int) registerByte {
	known := binary.NativeEndian.AppendUint32(nil, statusDestNAT)
	b := registerByte{from: nfexpr.FromConnStatus, index: uint8(i), mask: 0xff}
	if i < len(known) {
		b.mask &^= known[i]
		if p.state.natDone && p.state.moved {
			b.flip = known[i]
		}
	}
	return b
}

// device is an interface that is known: what leaves this machine for itself came
// from none and goes by loopback, and what arrives does not leave yet.
func (r reader) device(from nfexpr.Origin) ([]byte, bool) {
	leaves := r.at.hook == unix.NF_INET_LOCAL_OUT || r.at.hook == unix.NF_INET_POST_ROUTING
	in, out := r.inside && !leaves, r.inside && leaves
	loopback := binary.NativeEndian.AppendUint32(nil, 1)
	switch from {
	case nfexpr.FromIIF:
		if in {
			return loopback, true
		}
		return nil, leaves
	case nfexpr.FromIIFName:
		if in {
			return []byte("lo"), true
		}
		return nil, leaves
	case nfexpr.FromOIF:
		if out {
			return loopback, true
		}
		return nil, !leaves
	case nfexpr.FromOIFName:
		if out {
			return []byte("lo"), true
		}
		return nil, !leaves
	}
	return nil, false
}

// networkHeader is a byte of the IP header (RFC 791, RFC 8200).
func (r reader) networkHeader(at int, p *packets) registerByte {
	proto, source, dest, end := 9, 12, 16, 20
	if r.family == unix.NFPROTO_IPV6 {
		proto, source, dest, end = 6, 8, 24, 40
	}
	unknown := registerByte{from: nfexpr.FromElsewhere, mask: 0xff}
	switch t := p.state.target; {
	case at == proto:
		return constant([]byte{ipProto(r.proto)}, 0)
	case r.family == unix.NFPROTO_IPV4 && at == 6: // not a fragment, nor the first of some
		unknown.mask = 0xc0
		return unknown
	case r.family == unix.NFPROTO_IPV4 && at == 7:
		return constant(nil, 0)
	case at >= source && at < dest && !p.state.sourceMoved:
		return registerByte{from: nfexpr.FromSourceAddr, index: uint8(at - source), mask: 0xff}
	case at < dest || at >= end:
		return unknown
	case p.state.moved && t.Addr.IsValid() && !t.AddrComputed:
		return constant(t.Addr.AsSlice(), at-dest)
	case p.state.moved && (t.AddrComputed || !p.state.sameAddress()):
		return unknown
	}
	return registerByte{from: nfexpr.FromDestAddr, index: uint8(at - dest), mask: 0xff}
}

// sameAddress reports whether packets that a rule has moved kept their address: those
// that it only sends to another port of this machine without NAT.
func (s state) sameAddress() bool { return !s.natDone }

// transportHeader is a byte of the header of the first packet of TCP (RFC 9293,
// section 3.1) or of UDP.
func (r reader) transportHeader(at int, p *packets) registerByte {
	const flags, congestion, syn = 13, 0xc0, 0x02
	switch t := p.state.target; {
	case at < 2:
		return registerByte{from: nfexpr.FromSourcePort, index: uint8(at), mask: 0xff}
	case at < 4 && p.state.moved && t.Port == KnownPort && t.Ports.First == t.Ports.Last:
		return constant(binary.BigEndian.AppendUint16(nil, t.Ports.First), at-2)
	case at < 4 && p.state.moved && t.Port != SamePort:
		return registerByte{from: nfexpr.FromElsewhere, mask: 0xff}
	case at < 4:
		return registerByte{from: nfexpr.FromDestPort, index: uint8(at - 2), mask: 0xff}
	case r.proto == probe.TCP && at == flags: // RFC 3168 sets the upper two, too
		return registerByte{from: nfexpr.FromTCPFlags, mask: congestion, flip: syn}
	}
	return registerByte{from: nfexpr.FromElsewhere, mask: 0xff}
}

func ipProto(p probe.Proto) byte {
	if p == probe.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}

func etherType(f nfexpr.Family) uint16 {
	if f == unix.NFPROTO_IPV6 {
		return unix.ETH_P_IPV6
	}
	return unix.ETH_P_IP
}
