package nat

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// parseMatch reads a match of iptables that nf_tables calls (nft_compat). Its data is
// a struct of the kernel's, in the byte order of the machine.
func parseMatch(d []byte) []expression {
	name, info := text(d, unix.NFTA_MATCH_NAME), netlink.Attribute(d, unix.NFTA_MATCH_INFO)
	revision := number(d, unix.NFTA_MATCH_REV)
	switch name {
	case "comment":
		return nil
	case "tcp":
		if e, ok := parsePortMatch(info, 12, 11); ok {
			if info[8] != 0 || info[9] != 0 { // an option, or flags
				e = append(e, depends(TCPFlags))
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
	case "addrtype":
		if e, ok := parseAddrType(revision, info); ok {
			return e
		}
	}
	return []expression{dependsOnMatch(name)}
}

// dependsOnMatch is a match of which only the name is read.
func dependsOnMatch(name string) expression {
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
	e.condition.Name = name
	return e
}

// parsePortMatch reads struct xt_tcp or xt_udp (linux/netfilter/xt_tcpudp.h):
// source ports, destination ports, and what is inverted.
func parsePortMatch(info []byte, size, flags int) ([]expression, bool) {
	if len(info) < size {
		return nil, false
	}
	port := func(i int) uint16 { return binary.NativeEndian.Uint16(info[2*i:]) }
	source, invert := PortRange{port(0), port(1)}, info[flags]
	var e []expression
	if source != (PortRange{0, 65535}) || invert&1 != 0 {
		e = append(e, depends(SourcePort))
	}
	ports := expression{kind: exprXTPorts, invert: invert&2 != 0}
	ports.xt.ports = []PortRange{{port(2), port(3)}}
	return append(e, ports), true
}

// parseMultiport reads struct xt_multiport and xt_multiport_v1
// (linux/netfilter/xt_multiport.h).
func parseMultiport(revision uint32, info []byte) ([]expression, bool) {
	const most, destination = 15, 1
	if len(info) < 2+2*most || int(info[1]) > most || revision > 1 || revision == 1 && len(info) < 2+3*most+1 {
		return nil, false
	}
	e := expression{kind: exprXTPorts}
	for i := 0; i < int(info[1]); i++ {
		p := PortRange{binary.NativeEndian.Uint16(info[2+2*i:]), 0}
		p.Last = p.First
		if revision == 1 && info[2+2*most+i] != 0 && i+1 < int(info[1]) { // a range with the next
			i++
			p.Last = binary.NativeEndian.Uint16(info[2+2*i:])
		}
		e.xt.ports = append(e.xt.ports, p)
	}
	e.invert = revision == 1 && info[2+3*most] != 0
	if info[0] != destination { // of the source, or of either
		return []expression{depends(SourcePort)}, true
	}
	return []expression{e}, true
}

// parseAddrType reads struct xt_addrtype_info and _v1
// (linux/netfilter/xt_addrtype.h). What arrives here is for a local address.
func parseAddrType(revision uint32, info []byte) ([]expression, bool) {
	const local, local1Inverted = 1 << unix.RTN_LOCAL, 1 << 1
	if len(info) < 8 || revision == 0 && len(info) < 12 || revision > 1 {
		return nil, false
	}
	source, dest := binary.NativeEndian.Uint16(info), binary.NativeEndian.Uint16(info[2:])
	flags := binary.NativeEndian.Uint32(info[4:])
	inverted := revision == 1 && flags&local1Inverted != 0 || revision == 0 && binary.NativeEndian.Uint32(info[8:]) != 0
	var e []expression
	if source != 0 {
		e = append(e, depends(SourceAddress))
	}
	if dest != 0 && (dest&local != 0) == inverted {
		e = append(e, expression{kind: exprXTPorts}) // no port: it cannot match
	}
	return e, true
}

// sideEffects lists targets that do not decide anything.
func sideEffects() []string {
	return []string{
		"LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "TRACE", "SET", "TOS", "DSCP", "TTL", "HL", "AUDIT", "TEE", "CLASSIFY",
		"CT", "TCPMSS", "ECN",
	}
}

// parseTarget reads a target of iptables.
func parseTarget(family tableFamily, d []byte) []expression {
	name, info := text(d, unix.NFTA_TARGET_NAME), netlink.Attribute(d, unix.NFTA_TARGET_INFO)
	revision := number(d, unix.NFTA_TARGET_REV)
	if slices.Contains(sideEffects(), name) {
		return nil
	}
	if name == "REDIRECT" || name == "DNAT" {
		if e, ok := parseRange4(info); ok && revision == 0 && family == unix.NFPROTO_IPV4 {
			return []expression{e}
		}
		if e, ok := parseRange6(family, info); ok && (revision > 0 || family == unix.NFPROTO_IPV6) {
			return []expression{e}
		}
	}
	return []expression{{kind: exprUnknownTarget, condition: Condition{UnknownTarget, name}}}
}

// The flags of a range that are read (linux/netfilter/nf_nat.h).
const (
	rangeMapsAddress = 1 << 0 // NF_NAT_RANGE_MAP_IPS
	rangeHasPorts    = 1 << 1 // NF_NAT_RANGE_PROTO_SPECIFIED
	rangeIsPrefix    = 1 << 6 // NF_NAT_RANGE_NETMAP
)

// parseRange4 reads struct nf_nat_ipv4_multi_range_compat, of one range.
func parseRange4(info []byte) (expression, bool) {
	if len(info) < 20 || binary.NativeEndian.Uint32(info) != 1 {
		return expression{}, false
	}
	e := expression{kind: exprXTNAT}
	flags := binary.NativeEndian.Uint32(info[4:])
	if flags&rangeMapsAddress != 0 {
		e.xt.addr = netip.AddrFrom4([4]byte(info[8:12]))
	}
	return e.withPorts(flags, info[16:20]), flags&rangeIsPrefix == 0
}

// parseRange6 reads struct nf_nat_range, with which nf_nat_range2 starts.
func parseRange6(family tableFamily, info []byte) (expression, bool) {
	if len(info) < 40 {
		return expression{}, false
	}
	e := expression{kind: exprXTNAT}
	flags := binary.NativeEndian.Uint32(info)
	if flags&rangeMapsAddress != 0 {
		e.xt.addr = netip.AddrFrom16([16]byte(info[4:20]))
		if family == unix.NFPROTO_IPV4 {
			e.xt.addr = netip.AddrFrom4([4]byte(info[4:8]))
		}
	}
	return e.withPorts(flags, info[36:40]), flags&rangeIsPrefix == 0
}

func (e expression) withPorts(flags uint32, b []byte) expression {
	if flags&rangeHasPorts != 0 {
		e.xt.ports = []PortRange{{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}}
	}
	return e
}
