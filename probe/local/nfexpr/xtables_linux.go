package nfexpr

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// ParseMatch reads a match of iptables that nf_tables calls (nft_compat). Its data is
// a struct of the kernel's, in the byte order of the machine.
func ParseMatch(d []byte) []Expression {
	name, info := Text(d, unix.NFTA_MATCH_NAME), netlink.Attribute(d, unix.NFTA_MATCH_INFO)
	revision := Number(d, unix.NFTA_MATCH_REV)
	switch name {
	case "comment":
		return nil
	case "tcp":
		if e, ok := parsePortMatch(info, 12, 11); ok {
			const invertFlags, invertOption = 4, 8
			if info[8] != 0 || info[11]&invertOption != 0 { // an option
				e = append(e, depends(TCPFlags))
			}
			if info[9] != 0 {
				e = append(e, compareMasked(Loading{From: FromTransportHeader, Offset: 13}, info[9:10], info[10:11],
					info[11]&invertFlags != 0)...)
			}
			return e
		}
	case "udp":
		if e, ok := parsePortMatch(info, 10, 8); ok {
			return e
		}
	case "multiport":
		if e, ok := parseMultiport(revision, info); ok {
			return e
		}
	case "conntrack":
		if e, ok := parseConntrackMatch(revision, info); ok {
			return e
		}
	case "state":
		if len(info) >= 4 {
			return stateIn(binary.NativeEndian.Uint32(info), false)
		}
	case "mark":
		if len(info) >= 9 && revision == 1 {
			return compareMasked(Loading{From: FromMark}, info[4:8], info[:4], info[8] != 0)
		}
	case "pkttype":
		if len(info) >= 8 {
			invert := binary.NativeEndian.Uint32(info[4:]) != 0
			return compareMasked(
				Loading{From: FromPacketType},
				[]byte{0xff},
				[]byte{byte(binary.NativeEndian.Uint32(info))},
				invert,
			)
		}
	case "rpfilter":
		const inverted = 1 << 3 // XT_RPFILTER_INVERT
		if len(info) >= 1 {
			return []Expression{{Kind: KindAssumed, Invert: info[0]&inverted != 0}}
		}
	case "addrtype":
		if e, ok := parseAddrType(revision, info); ok {
			return e
		}
	}
	return []Expression{dependsOnMatch(name)}
}

// scratch is the register by which the matches of iptables are compared.
const scratch = RegisterBytes - 4

// compareMasked compares up to 4 bytes of the packet, of which some bits are left out.
func compareMasked(from Loading, mask, want []byte, invert bool) []Expression {
	n := len(mask)
	return []Expression{
		{Kind: KindLoad, Dst: scratch, Size: n, Load: from},
		{Kind: KindBitwise, Src: scratch, Dst: scratch, Size: n, Mask: slices.Clone(mask), XOR: make([]byte, n)},
		{Kind: KindCompare, Src: scratch, Low: slices.Clone(want), High: slices.Clone(want), Invert: invert},
	}
}

// stateIn matches the state of the connection, as a mask that nf_tables has, too.
func stateIn(mask uint32, invert bool) []Expression {
	return compareMasked(
		Loading{From: FromConnState},
		binary.NativeEndian.AppendUint32(nil, mask),
		make([]byte, 4),
		!invert,
	)
}

// parseConntrackMatch reads struct xt_conntrack_mtinfo1 to 3
// (linux/netfilter/xt_conntrack.h), of which only a state is compared.
func parseConntrackMatch(revision uint32, info []byte) ([]Expression, bool) {
	const (
		state, alias        = 1 << 0, 1 << 13 // XT_CONNTRACK_STATE, XT_CONNTRACK_STATE_ALIAS
		common              = 1<<0 | 1<<1 | 1<<2 | 1<<3
		natBits             = 1<<6 | 1<<7 // XT_CONNTRACK_STATE_SNAT, XT_CONNTRACK_STATE_DNAT
		untracked, inTables = 1 << 8, 1 << 6
	)
	if revision < 1 || len(info) < 152 || binary.NativeEndian.Uint16(info[146:])&^alias != state {
		return nil, false
	}
	mask := uint32(info[150])
	if revision > 1 {
		mask = uint32(binary.NativeEndian.Uint16(info[150:]))
	}
	if mask&natBits != 0 {
		return []Expression{depends(ConnectionState)}, true
	}
	bits := mask & common
	if mask&untracked != 0 {
		bits |= inTables
	}
	return stateIn(bits, binary.NativeEndian.Uint16(info[148:])&state != 0), true
}

// dependsOnMatch is a match of which only the name is read.
func dependsOnMatch(name string) Expression {
	switch name {
	case "statistic":
		return depends(Random)
	case "mark", "connmark":
		return depends(Mark)
	case "owner":
		return depends(Sender)
	case "conntrack", "state", "ctstate":
		return depends(ConnectionState)
	case "set":
		return depends(IPSet)
	}
	e := depends(UnknownMatch)
	e.Condition.Name = name
	return e
}

// parsePortMatch reads struct xt_tcp or xt_udp (linux/netfilter/xt_tcpudp.h):
// source ports, destination ports, and what is inverted.
func parsePortMatch(info []byte, size, flags int) ([]Expression, bool) {
	if len(info) < size {
		return nil, false
	}
	port := func(i int) uint16 { return binary.NativeEndian.Uint16(info[2*i:]) }
	source, invert := PortRange{port(0), port(1)}, info[flags]
	var e []Expression
	if source != (PortRange{0, 65535}) || invert&1 != 0 {
		e = append(e, depends(SourcePort))
	}
	ports := Expression{Kind: KindXTPorts, Invert: invert&2 != 0}
	ports.XT.Ports = []PortRange{{port(2), port(3)}}
	return append(e, ports), true
}

// parseMultiport reads struct xt_multiport and xt_multiport_v1
// (linux/netfilter/xt_multiport.h).
func parseMultiport(revision uint32, info []byte) ([]Expression, bool) {
	const most, destination = 15, 1
	if len(info) < 2+2*most || int(info[1]) > most || revision > 1 || revision == 1 && len(info) < 2+3*most+1 {
		return nil, false
	}
	e := Expression{Kind: KindXTPorts}
	for i := 0; i < int(info[1]); i++ {
		p := PortRange{binary.NativeEndian.Uint16(info[2+2*i:]), 0}
		p.Last = p.First
		if revision == 1 && info[2+2*most+i] != 0 && i+1 < int(info[1]) { // a range with the next
			i++
			p.Last = binary.NativeEndian.Uint16(info[2+2*i:])
		}
		e.XT.Ports = append(e.XT.Ports, p)
	}
	e.Invert = revision == 1 && info[2+3*most] != 0
	if info[0] != destination { // of the source, or of either
		return []Expression{depends(SourcePort)}, true
	}
	return []Expression{e}, true
}

// parseAddrType reads struct xt_addrtype_info and _v1
// (linux/netfilter/xt_addrtype.h). What arrives here is for a local address.
func parseAddrType(revision uint32, info []byte) ([]Expression, bool) {
	const local, local1Inverted = 1 << unix.RTN_LOCAL, 1 << 1
	if len(info) < 8 || revision == 0 && len(info) < 12 || revision > 1 {
		return nil, false
	}
	source, dest := binary.NativeEndian.Uint16(info), binary.NativeEndian.Uint16(info[2:])
	flags := binary.NativeEndian.Uint32(info[4:])
	inverted := revision == 1 && flags&local1Inverted != 0 || revision == 0 && binary.NativeEndian.Uint32(info[8:]) != 0
	var e []Expression
	if source != 0 {
		e = append(e, depends(SourceAddress))
	}
	if dest != 0 && (dest&local != 0) == inverted {
		e = append(e, Expression{Kind: KindXTPorts}) // no port: it cannot match
	}
	return e, true
}

// sideEffects lists targets that do not decide anything.
func sideEffects() []string {
	return []string{
		"LOG", "NFLOG", "ULOG", "TRACE", "SET", "TOS", "DSCP", "TTL", "HL", "AUDIT", "TEE", "CLASSIFY", "TCPMSS", "ECN",
		"TCPOPTSTRIP", "CHECKSUM", "SECMARK", "CONNSECMARK", "IDLETIMER", "LED", "RATEEST",
	}
}

// ParseTarget reads a target of iptables.
func ParseTarget(family Family, d []byte) []Expression {
	name, info := Text(d, unix.NFTA_TARGET_NAME), netlink.Attribute(d, unix.NFTA_TARGET_INFO)
	revision := Number(d, unix.NFTA_TARGET_REV)
	if slices.Contains(sideEffects(), name) {
		return nil
	}
	switch name {
	case "REJECT":
		return []Expression{{Kind: KindVerdict, Verdict: Verdict{Code: Reject}}}
	case "SNAT", "MASQUERADE":
		return []Expression{{Kind: KindVerdict, Verdict: Verdict{Code: Accept}}}
	case "NOTRACK":
		return []Expression{{Kind: KindUntrack}}
	case "CT":
		const untracked = 1 << 0 // XT_CT_NOTRACK
		if len(info) >= 2 && binary.NativeEndian.Uint16(info)&untracked != 0 {
			return []Expression{{Kind: KindUntrack}}
		}
		return nil
	case "MARK":
		if len(info) >= 8 && revision == 2 {
			return []Expression{{Kind: KindXTMark, Low: slices.Clone(info[:4]), Mask: slices.Clone(info[4:8])}}
		}
		return []Expression{{Kind: KindXTMark}}
	case "CONNMARK":
		return []Expression{{Kind: KindXTMark}} // it may restore the packet's mark from the connection's
	case "TPROXY":
		if e, ok := parseXTTPROXY(family, revision, info); ok {
			return []Expression{e}
		}
	case "REDIRECT", "DNAT":
		if e, ok := parseRange4(info); ok && revision == 0 && family == unix.NFPROTO_IPV4 {
			return []Expression{e}
		}
		if e, ok := parseRange6(family, info); ok && (revision > 0 || family == unix.NFPROTO_IPV6) {
			return []Expression{e}
		}
	}
	return []Expression{{Kind: KindUnknownTarget, Condition: Condition{UnknownTarget, name}}}
}

// parseXTTPROXY reads struct xt_tproxy_target_info and _v1
// (linux/netfilter/xt_TPROXY.h).
func parseXTTPROXY(family Family, revision uint32, info []byte) (Expression, bool) {
	size := 4
	if revision == 1 {
		size = 16
	}
	if len(info) < 8+size+2 || revision > 1 {
		return Expression{}, false
	}
	e := Expression{Kind: KindXTTPROXY}
	addr := info[8 : 8+size]
	if family == unix.NFPROTO_IPV4 {
		addr = addr[:4]
	}
	if e.XT.Addr, _ = netip.AddrFromSlice(addr); e.XT.Addr.IsUnspecified() {
		e.XT.Addr = netip.Addr{}
	}
	if port := binary.BigEndian.Uint16(info[8+size:]); port != 0 {
		e.XT.Ports = []PortRange{{port, port}}
	}
	return e, true
}

// The flags of a range that are read (linux/netfilter/nf_nat.h).
const (
	rangeMapsAddress = 1 << 0 // NF_NAT_RANGE_MAP_IPS
	rangeHasPorts    = 1 << 1 // NF_NAT_RANGE_PROTO_SPECIFIED
	rangeIsPrefix    = 1 << 6 // NF_NAT_RANGE_NETMAP
)

// parseRange4 reads struct nf_nat_ipv4_multi_range_compat, of one range.
func parseRange4(info []byte) (Expression, bool) {
	if len(info) < 20 || binary.NativeEndian.Uint32(info) != 1 {
		return Expression{}, false
	}
	e := Expression{Kind: KindXTNAT}
	flags := binary.NativeEndian.Uint32(info[4:])
	if flags&rangeMapsAddress != 0 {
		e.XT.Addr = netip.AddrFrom4([4]byte(info[8:12]))
	}
	return e.withPorts(flags, info[16:20]), flags&rangeIsPrefix == 0
}

// parseRange6 reads struct nf_nat_range, with which nf_nat_range2 starts.
func parseRange6(family Family, info []byte) (Expression, bool) {
	if len(info) < 40 {
		return Expression{}, false
	}
	e := Expression{Kind: KindXTNAT}
	flags := binary.NativeEndian.Uint32(info)
	if flags&rangeMapsAddress != 0 {
		e.XT.Addr = netip.AddrFrom16([16]byte(info[4:20]))
		if family == unix.NFPROTO_IPV4 {
			e.XT.Addr = netip.AddrFrom4([4]byte(info[4:8]))
		}
	}
	return e.withPorts(flags, info[36:40]), flags&rangeIsPrefix == 0
}

func (e Expression) withPorts(flags uint32, b []byte) Expression {
	if flags&rangeHasPorts != 0 {
		e.XT.Ports = []PortRange{{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}}
	}
	return e
}
