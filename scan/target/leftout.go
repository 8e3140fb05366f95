package target

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"onmux/probe/wording"
)

// ErrOwnNetworks means that the networks of this machine cannot be read.
var ErrOwnNetworks = errors.New("this machine's networks cannot be read")

// OwnNetworks lists the networks that this machine's interfaces are in.
func OwnNetworks() ([]netip.Prefix, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOwnNetworks, err)
	}
	var out []netip.Prefix
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		addr, ok := netip.AddrFromSlice(n.IP)
		bits, size := n.Mask.Size()
		if addr = addr.Unmap(); ok && size == addr.BitLen() {
			out = append(out, netip.PrefixFrom(addr, bits).Masked())
		}
	}
	return out, nil
}

// special is address space that no range reaches into: a probe there asks
// no host, or all of them. An address in it is asked only if it is named by itself.
type special struct {
	spans spans // merged
	kind  LeftOutKind
}

func specials(own []netip.Prefix) []special {
	out := []special{
		{space("0.0.0.0/8", "::/128"), LeftUnusable},      // RFC 1122, section 3.2.1.3; RFC 4291, section 2.5.2
		{space("224.0.0.0/4", "ff00::/8"), LeftMulticast}, // RFC 5771; RFC 4291, section 2.7
		{space("240.0.0.0/4"), LeftReserved},              // RFC 1112, section 4; holds the limited broadcast
		{mapped(), LeftMapped},                            // RFC 4291, section 2.5.5.2
	}
	var broadcast spans
	for _, p := range own {
		// A /31 has no broadcast address (RFC 3021), and neither has loopback.
		if a := p.Addr(); p.IsValid() && a.Is4() && p.Bits() < 31 && p.Bits() > 0 && !a.IsLoopback() {
			s := prefixSpan(p, "")
			s.from = s.to
			broadcast.add(s)
		}
	}
	return append(out, special{merge(broadcast), LeftBroadcast})
}

// mapped is ::ffff:0:0/96, in which IPv4 addresses are written as IPv6.
func mapped() spans {
	return spansOf(span{scope{v6: true}, u128{0, 0xffff << 32}, u128{0, 0xffff<<32 | 1<<32 - 1}})
}

// space is what prefixes hold, each taken as its own family.
func space(prefixes ...string) (out spans) {
	for _, p := range prefixes {
		out.add(prefixSpan(netip.MustParsePrefix(p), ""))
	}
	return merge(out)
}

// publicSpace is where a scan may reach hosts of others: what IANA's special-purpose
// registries (RFC 6890) call globally reachable, and NAT64, which leads there.
func publicSpace() spans {
	return subtract(space("0.0.0.0/0", "2000::/3", "64:ff9b::/96"), space(
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
		"172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
		"2001:2::/48", "2001:10::/28", "2001:db8::/32", "3fff::/20"))
}

// LeftOutKind is why targets are not asked.
type LeftOutKind string

// The reasons.
const (
	LeftOtherFamily   LeftOutKind = "other-family"    // targets of the family that flags exclude
	LeftFamilyOfHosts LeftOutKind = "family-of-hosts" // the addresses of hosts in that family
	LeftNoZone        LeftOutKind = "no-zone"         // link-local addresses of hosts, which came without a zone
	LeftUnusable      LeftOutKind = "unusable"        // no host can have such an address
	LeftMulticast     LeftOutKind = "multicast"
	LeftReserved      LeftOutKind = "reserved"
	LeftMapped        LeftOutKind = "mapped"    // IPv4 in IPv6 form
	LeftBroadcast     LeftOutKind = "broadcast" // of a network of this machine
	LeftExcluded      LeftOutKind = "excluded"  // by the user
)

// LeftOut is a part of the targets that is not asked, and why.
type LeftOut struct {
	Kind   LeftOutKind `json:"kind"`
	Names  []string    `json:"names,omitempty"`  // the first targets, hosts, or addresses if they are few
	Total  int         `json:"total,omitzero"`   // of names
	Count  string      `json:"count,omitempty"`  // of addresses: "1", "4,294,967,296", "about 2^65"
	First  netip.Addr  `json:"first,omitzero"`   // of many addresses
	Last   netip.Addr  `json:"last,omitzero"`    // of many addresses
	Ranges bool        `json:"ranges,omitempty"` // First to Last are several ranges
	IPv6   bool        `json:"ipv6,omitempty"`   // the family that is left out
}

// NothingLeftError: all targets are left out.
type NothingLeftError struct {
	LeftOut []LeftOut
	Ranges  bool // an address that is named by itself would be asked
}

func (e *NothingLeftError) Error() string { return "no targets: all that are named are left out" }

// leftSpans describes spans that are left out; there may be none.
func leftSpans(all spans, kind LeftOutKind) []LeftOut {
	if all.len() == 0 {
		return nil
	}
	n := count(all.each)
	l := LeftOut{Kind: kind, Count: n.String()}
	if n.cmp(u128{0, 8}) > 0 {
		first, last := all.at(0), all.at(all.len()-1)
		l.First, l.Last, l.Ranges = first.addr(first.from), last.addr(last.to), all.len() > 1
		return []LeftOut{l}
	}
	l.Total = int(n.lo)
	for s := range all.each {
		for v := s.from; len(l.Names) < wording.MaxNamed; v = v.inc() {
			l.Names = append(l.Names, s.addr(v).String())
			if v == s.to {
				break
			}
		}
	}
	return []LeftOut{l}
}
