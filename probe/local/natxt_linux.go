package local

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// parseMatch reads a match of iptables that nf_tables calls (nft_compat). Its
// data is a struct of the kernel's, in the byte order of the machine. What is
// not read is a condition that goes by the name.
func parseMatch(d []byte) []step {
	name, revision, info := netlink.Text(netlink.Attribute(d, unix.NFTA_MATCH_NAME)), be32(netlink.Attribute(d, unix.NFTA_MATCH_REV)), netlink.Attribute(d, unix.NFTA_MATCH_INFO)
	switch name {
	case "comment":
		return nil
	case "tcp":
		if s, ok := parsePortMatch(info, 12, 11); ok {
			if info[8] != 0 || info[9] != 0 { // an option, or flags
				s = append(s, step{op: opOnly, name: "TCP flags"})
			}
			return s
		}
	case "udp":
		if s, ok := parsePortMatch(info, 10, 8); ok {
			return s
		}
	case "multiport":
		if s, ok := parseMultiport(revision, info); ok {
			return s
		}
	case "addrtype":
		if s, ok := parseAddrType(revision, info); ok {
			return s
		}
	case "statistic":
		return []step{{op: opOnly, name: "chance"}}
	case "mark", "connmark":
		return []step{{op: opOnly, name: fromMark.String()}}
	case "owner":
		return []step{{op: opOnly, name: fromUser.String()}}
	case "conntrack", "state", "ctstate":
		return []step{{op: opOnly, name: "the connection's state"}}
	case "set":
		return []step{{op: opOnly, name: "an ipset"}}
	}
	return []step{{op: opOnly, name: "the match " + printable(name) + " of iptables"}}
}

// parsePortMatch reads struct xt_tcp or xt_udp (linux/netfilter/xt_tcpudp.h):
// source ports, destination ports, and what is inverted.
func parsePortMatch(info []byte, size, flags int) ([]step, bool) {
	if len(info) < size {
		return nil, false
	}
	port := func(i int) uint16 { return binary.NativeEndian.Uint16(info[2*i:]) }
	source, invert := Span{port(0), port(1)}, info[flags]
	var s []step
	if source != (Span{0, 65535}) || invert&1 != 0 {
		s = append(s, step{op: opOnly, name: fromSourcePort.String()})
	}
	return append(s, step{op: opPorts, ports: []Span{{port(2), port(3)}}, invert: invert&2 != 0}), true
}

// parseMultiport reads struct xt_multiport and xt_multiport_v1
// (linux/netfilter/xt_multiport.h).
func parseMultiport(revision uint32, info []byte) ([]step, bool) {
	const most, destination = 15, 1
	if len(info) < 2+2*most || int(info[1]) > most || revision > 1 || revision == 1 && len(info) < 2+3*most+1 {
		return nil, false
	}
	s := step{op: opPorts}
	for i := 0; i < int(info[1]); i++ {
		p := Span{binary.NativeEndian.Uint16(info[2+2*i:]), 0}
		p.Last = p.First
		if revision == 1 && info[2+2*most+i] != 0 && i+1 < int(info[1]) { // a range with the next
			i++
			p.Last = binary.NativeEndian.Uint16(info[2+2*i:])
		}
		s.ports = append(s.ports, p)
	}
	s.invert = revision == 1 && info[2+3*most] != 0
	if info[0] != destination { // of the source, or of either
		return []step{{op: opOnly, name: fromSourcePort.String()}}, true
	}
	return []step{s}, true
}

// parseAddrType reads struct xt_addrtype_info and _v1
// (linux/netfilter/xt_addrtype.h). What arrives here is for a local address.
func parseAddrType(revision uint32, info []byte) ([]step, bool) {
	const local, local1Inverted = 1 << unix.RTN_LOCAL, 1 << 1
	if len(info) < 8 || revision == 0 && len(info) < 12 || revision > 1 {
		return nil, false
	}
	source, dest := binary.NativeEndian.Uint16(info), binary.NativeEndian.Uint16(info[2:])
	flags := binary.NativeEndian.Uint32(info[4:])
	inverted := revision == 1 && flags&local1Inverted != 0 || revision == 0 && binary.NativeEndian.Uint32(info[8:]) != 0
	var s []step
	if source != 0 {
		s = append(s, step{op: opOnly, name: fromSource.String()})
	}
	if dest != 0 && (dest&local != 0) == inverted {
		s = append(s, step{op: opPorts}) // no port: it cannot match
	}
	return s, true
}

// sideEffects are targets that decide nothing.
func sideEffects() []string {
	return []string{"LOG", "NFLOG", "ULOG", "MARK", "CONNMARK", "TRACE", "SET", "TOS", "DSCP", "TTL", "HL", "AUDIT", "TEE", "CLASSIFY", "CT", "TCPMSS", "ECN"}
}

// parseTarget reads a target of iptables.
func parseTarget(family nftFamily, d []byte) []step {
	name, revision, info := netlink.Text(netlink.Attribute(d, unix.NFTA_TARGET_NAME)), be32(netlink.Attribute(d, unix.NFTA_TARGET_REV)), netlink.Attribute(d, unix.NFTA_TARGET_INFO)
	if slices.Contains(sideEffects(), name) {
		return nil
	}
	if name == "REDIRECT" || name == "DNAT" {
		if s, ok := parseRange4(info); ok && revision == 0 && family == unix.NFPROTO_IPV4 {
			return []step{s}
		}
		if s, ok := parseRange6(family, info); ok && (revision > 0 || family == unix.NFPROTO_IPV6) {
			return []step{s}
		}
	}
	return []step{{op: opUnread, name: strings.TrimSpace("the target " + printable(name))}}
}

// The flags of a range that are read (linux/netfilter/nf_nat.h).
const (
	rangeMapsAddress = 1 << 0 // NF_NAT_RANGE_MAP_IPS
	rangeHasPorts    = 1 << 1 // NF_NAT_RANGE_PROTO_SPECIFIED
	rangeIsPrefix    = 1 << 6 // NF_NAT_RANGE_NETMAP
)

// parseRange4 reads struct nf_nat_ipv4_multi_range_compat, of one range.
func parseRange4(info []byte) (step, bool) {
	if len(info) < 20 || binary.NativeEndian.Uint32(info) != 1 {
		return step{}, false
	}
	s := step{op: opSend}
	flags := binary.NativeEndian.Uint32(info[4:])
	if flags&rangeMapsAddress != 0 {
		s.addr = netip.AddrFrom4([4]byte(info[8:12]))
	}
	return s.withPorts(flags, info[16:20]), flags&rangeIsPrefix == 0
}

// parseRange6 reads struct nf_nat_range, with which nf_nat_range2 starts.
func parseRange6(family nftFamily, info []byte) (step, bool) {
	if len(info) < 40 {
		return step{}, false
	}
	s := step{op: opSend}
	flags := binary.NativeEndian.Uint32(info)
	if flags&rangeMapsAddress != 0 {
		s.addr = netip.AddrFrom16([16]byte(info[4:20]))
		if family == unix.NFPROTO_IPV4 {
			s.addr = netip.AddrFrom4([4]byte(info[4:8]))
		}
	}
	return s.withPorts(flags, info[36:40]), flags&rangeIsPrefix == 0
}

func (s step) withPorts(flags uint32, b []byte) step {
	if flags&rangeHasPorts != 0 {
		s.ports = []Span{{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])}}
	}
	return s
}
