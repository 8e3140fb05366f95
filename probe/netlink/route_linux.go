package netlink

import (
	"context"
	"encoding/binary"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Route is a decision of the kernel for one address, or an entry of a table.
type Route struct {
	Family    uint8        // unix.AF_INET or AF_INET6
	Type      uint8        // unix.RTN_UNICAST and the like
	Flags     uint32       // unix.RTM_F_CLONED and the like
	Dst       netip.Prefix // not valid for a default route
	BySource  bool         // the entry is for some sources only
	Interface uint32       // index; 0: none
	Source    netip.Addr   // that the kernel prefers
	Gateway   netip.Addr   // not valid: on the link, or this machine itself; may be of the other family
	Encap     bool         // through a tunnel of the route's own (MPLS, SRv6 and the like)
	MTU       int          // of the route; 0: the interface's
	Multipath bool         // the entry has several next hops, of which each flow takes one
}

// RouteQuery is which packet a route is for. All but Dst may be left out.
type RouteQuery struct {
	Dst, Src  netip.Addr
	Interface uint32 // that it leaves by
	Proto     uint8  // IP protocol and destination port, at which rules may look
	Port      uint16
}

// LookupRoute asks by which way a packet would leave (RTM_GETROUTE). The error is a
// syscall.Errno such as ENETUNREACH if that is the kernel's decision.
func LookupRoute(ctx context.Context, q RouteQuery) (Route, error) {
	dst, src := q.Dst.Unmap().WithZone(""), q.Src.Unmap().WithZone("")
	header := nl.RtMsg{RtMsg: unix.RtMsg{Family: family(dst), Dst_len: uint8(dst.BitLen())}}
	if src.IsValid() {
		header.Src_len = uint8(src.BitLen())
	}
	r := NewRequest(unix.RTM_GETROUTE, header.Serialize()).Add(unix.RTA_DST, dst.AsSlice())
	if src.IsValid() {
		r.Add(unix.RTA_SRC, src.AsSlice())
	}
	if q.Interface != 0 {
		r.Add(unix.RTA_OIF, nl.Uint32Attr(q.Interface))
	}
	if q.Proto != 0 {
		r.Add(unix.RTA_IP_PROTO, nl.Uint8Attr(q.Proto)).Add(unix.RTA_DPORT, nl.BEUint16Attr(q.Port))
	}
	return get(ctx, r, unix.RTM_NEWROUTE, parseRoute)
}

// Routes calls each with the entries of every table of a family (unix.AF_INET or
// AF_INET6), of which there may be a million. With ErrInterrupted some may be
// missing.
func Routes(ctx context.Context, family uint8, each func(Route)) error {
	c := Client{Family: unix.NETLINK_ROUTE}
	header := nl.RtMsg{RtMsg: unix.RtMsg{Family: family}}
	return c.Dump(ctx, NewRequest(unix.RTM_GETROUTE, header.Serialize()), nil, func(kind uint16, body []byte) error {
		if r, ok := parseRoute(body); ok && kind == unix.RTM_NEWROUTE {
			each(r)
		}
		return nil
	})
}

// LocalPrefixes lists the prefixes of a family of which this machine has every address:
// 127.0.0.0/8, and those for which someone has added a route of type local.
func LocalPrefixes(ctx context.Context, family uint8) ([]netip.Prefix, error) {
	c := Client{Family: unix.NETLINK_ROUTE, Strict: true}
	header := nl.RtMsg{RtMsg: unix.RtMsg{Family: family, Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL}}
	var all []netip.Prefix
	request := NewRequest(unix.RTM_GETROUTE, header.Serialize())
	err := c.Dump(ctx, request, func() { all = nil }, func(kind uint16, body []byte) error {
		r, ok := parseRoute(body)
		if ok && kind == unix.RTM_NEWROUTE && r.Type == unix.RTN_LOCAL && r.Dst.IsValid() && !r.Dst.IsSingleIP() {
			all = append(all, r.Dst)
		}
		return nil
	})
	return all, err
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// parseRoute reads struct rtmsg and its attributes (linux/rtnetlink.h).
func parseRoute(b []byte) (Route, bool) {
	if len(b) < unix.SizeofRtMsg {
		return Route{}, false
	}
	r := Route{Family: b[0], BySource: b[2] > 0, Type: b[7], Flags: binary.NativeEndian.Uint32(b[8:])}
	bits := int(b[1])
	for kind, value := range Attributes(b[unix.SizeofRtMsg:]) {
		switch kind {
		case unix.RTA_DST:
			r.Dst = netip.PrefixFrom(addr(value), bits)
		case unix.RTA_OIF:
			r.Interface = word(value)
		case unix.RTA_PREFSRC:
			r.Source = addr(value)
		case unix.RTA_GATEWAY:
			r.Gateway = addr(value)
		case unix.RTA_VIA: // struct rtvia: a gateway of the other family, after that family
			if len(value) > 2 {
				r.Gateway = addr(value[2:])
			}
		case unix.RTA_MULTIPATH:
			r.Multipath = true
		case unix.RTA_ENCAP_TYPE:
			r.Encap = true
		case unix.RTA_METRICS:
			r.MTU = int(word(Attribute(value, unix.RTAX_MTU)))
		}
	}
	return r, true
}

// addr reads an address of 4 or 16 bytes; what is neither is not valid.
func addr(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a.Unmap()
}

// Rule is a rule that selects a routing table (ip-rule(8)), as far as it is read.
type Rule struct {
	Src, Dst netip.Prefix // not valid: any
	ByPort   bool         // it looks at the IP protocol or at the destination port
}

// Rules lists the rules of a family.
func Rules(ctx context.Context, family uint8) ([]Rule, error) {
	header := nl.RtMsg{RtMsg: unix.RtMsg{Family: family}} // laid out as struct fib_rule_hdr
	return list(ctx, NewRequest(unix.RTM_GETRULE, header.Serialize()), unix.RTM_NEWRULE, parseRule)
}

// parseRule reads struct fib_rule_hdr and its attributes (linux/fib_rules.h).
func parseRule(b []byte) (Rule, bool) {
	if len(b) < unix.SizeofRtMsg {
		return Rule{}, false
	}
	var r Rule
	for kind, value := range Attributes(b[unix.SizeofRtMsg:]) {
		switch kind {
		case nl.FRA_DST:
			r.Dst = netip.PrefixFrom(addr(value), int(b[1]))
		case nl.FRA_SRC:
			r.Src = netip.PrefixFrom(addr(value), int(b[2]))
		case nl.FRA_IP_PROTO, nl.FRA_DPORT_RANGE:
			r.ByPort = true
		}
	}
	return r, true
}
