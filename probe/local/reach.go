package local

import (
	"net/netip"
	"slices"
	"sync"
)

// notGlobal is the unicast addresses that IANA's special-purpose registries call
// not globally reachable (RFC 6890 as updated by RFC 8190) and that are neither
// loopback nor link-local nor covered by netip.Addr.IsPrivate. Shared address space
// (RFC 6598) is among them: it lies behind a carrier's NAT. Site-local fec0::/10
// is not: RFC 3879 makes it global unicast. A block inside a wider one that is
// reachable is in global.
var notGlobal = sync.OnceValue(prefixes(
	"0.0.0.0/8",       // this network (RFC 791)
	"100.64.0.0/10",   // shared address space (RFC 6598)
	"192.0.0.0/24",    // protocol assignments (RFC 6890)
	"192.0.2.0/24",    // documentation (RFC 5737), and the next two
	"198.51.100.0/24", //
	"203.0.113.0/24",  //
	"198.18.0.0/15",   // benchmarks (RFC 2544)
	"240.0.0.0/4",     // reserved (RFC 1112)
	"64:ff9b:1::/48",  // translation in a domain (RFC 8215)
	"100::/64",        // discarded (RFC 6666)
	"2001::/23",       // protocol assignments (RFC 2928)
	"2001:db8::/32",   // documentation (RFC 3849), and the next one (RFC 9637)
	"3fff::/20",       //
	"5f00::/16",       // segment routing (RFC 9602)
))

// global is what is globally reachable, or may be, within notGlobal.
var global = sync.OnceValue(prefixes(
	"192.0.0.9/32", "192.0.0.10/32", // anycast (RFC 7723, RFC 8155)
	"2001::/32",                                       // Teredo (RFC 4380)
	"2001:1::1/128", "2001:1::2/128", "2001:1::3/128", // anycast (RFC 7723, RFC 8155, RFC 9665)
	"2001:3::/32", "2001:4:112::/48", // AMT (RFC 7450), AS112 (RFC 7535)
	"2001:20::/28", "2001:30::/28", // ORCHIDv2 (RFC 7343), drones (RFC 9374)
))

func prefixes(texts ...string) func() []netip.Prefix {
	return func() (all []netip.Prefix) {
		for _, t := range texts {
			all = append(all, netip.MustParsePrefix(t))
		}
		return all
	}
}

func among(all []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(a) })
}

// reach is from where a socket bound to an address can be reached, as far as the
// address and the device show: "any", "loopback", "link-local" (RFC
// 3927, RFC 4291), "private" or "public". Routes and firewalls may narrow it. A
// socket that is bound to a loopback device can be reached from this machine only.
func reach(a netip.Addr, looped bool) string {
	a = a.Unmap().WithZone("")
	switch {
	case looped, a.IsLoopback():
		return "loopback"
	case a.IsUnspecified():
		return "any"
	case a.IsMulticast():
		return scope(a)
	case a.IsLinkLocalUnicast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}): // the limited broadcast (RFC 919)
		return "link-local"
	case a.IsPrivate(), among(notGlobal(), a) && !among(global(), a):
		return "private"
	}
	return "public"
}

// scope is how far away a sender to a multicast group may be: of IPv6 by the
// scope in the address (RFC 4291, section 2.7, and RFC 7346), of IPv4 by blocks
// (RFC 5771, section 4, and RFC 2365). Realm-local and wider scopes that end at
// an administrator's border are private.
func scope(group netip.Addr) string {
	b := group.AsSlice()
	if group.Is4() {
		switch {
		case b[0] == 224 && b[1] == 0 && b[2] == 0:
			return "link-local"
		case b[0] == 239:
			return "private"
		}
		return "public"
	}
	switch n := b[1] & 15; {
	case n <= 1: // reserved, which is dropped, and interface-local
		return "loopback"
	case n == 2:
		return "link-local"
	case n < 14:
		return "private"
	}
	return "public"
}
