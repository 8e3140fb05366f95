package target

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
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
	why   string
}

func specials(own []netip.Prefix) []special {
	out := []special{
		{
			space("0.0.0.0/8", "::/128"),
			"no host can have such an address",
		}, // RFC 1122, section 3.2.1.3; RFC 4291, section 2.5.2
		{space("224.0.0.0/4", "ff00::/8"), "multicast"}, // RFC 5771; RFC 4291, section 2.7
		{
			space("240.0.0.0/4"),
			"reserved",
		}, // RFC 1112, section 4; holds the limited broadcast
		{mapped(), "IPv4 in IPv6 form"}, // RFC 4291, section 2.5.5.2
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
	return append(out, special{merge(broadcast), "broadcast address of a network of this machine"})
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

// publicSpace is where a scan may meet strangers: what IANA's special-purpose
// registries (RFC 6890) call globally reachable, and NAT64, which leads there.
func publicSpace() spans {
	return subtract(space("0.0.0.0/0", "2000::/3", "64:ff9b::/96"), space(
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
		"172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
		"2001:2::/48", "2001:10::/28", "2001:db8::/32", "3fff::/20"))
}

// describe is a sentence that spans are left out, or nothing if there are none.
func describe(all spans, why string) []string {
	if all.len() == 0 {
		return nil
	}
	n := count(all.each)
	if n.cmp(u128{0, 8}) <= 0 {
		var names []string
		for s := range all.each {
			for v := s.from; ; v = v.inc() {
				names = append(names, s.addr(v).String())
				if v == s.to {
					break
				}
			}
		}
		if len(names) == 1 {
			return []string{names[0] + " is left out: " + why}
		}
		return []string{few(names) + " are left out: " + why}
	}
	first, last := all.at(0), all.at(all.len()-1)
	from, to := first.addr(first.from), last.addr(last.to)
	if all.len() == 1 {
		return []string{fmt.Sprintf("%s–%s (%s addresses) are left out: %s", from, to, n, why)}
	}
	return []string{fmt.Sprintf("%s addresses from %s to %s are left out: %s", n, from, to, why)}
}
