package local

import "net/netip"

// cgnat is shared address space: behind carrier-grade NAT, not on the public
// Internet (RFC 6598).
var cgnat = netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)

// reach says from where a socket bound to a can be reached, as far as the
// address alone tells: "any", "loopback", "link-local" (RFC 3927, RFC 4291),
// "private" (RFC 1918, RFC 4193, RFC 6598) or "public".
func reach(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	switch {
	case a.IsUnspecified():
		return "any"
	case a.IsLoopback():
		return "loopback"
	case a.IsLinkLocalUnicast(), a.IsLinkLocalMulticast(), a.IsInterfaceLocalMulticast():
		return "link-local"
	case a.IsPrivate(), cgnat.Contains(a):
		return "private"
	}
	return "public"
}
