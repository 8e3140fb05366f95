package inquiry

import (
	"net/netip"
	"slices"
)

// ipv4Only is the name that has IPv4 addresses alone, so that an IPv6 address of
// it shows the prefix of a NAT64 (RFC 7050, section 3).
const ipv4Only = "ipv4only.arpa"

// wellKnown is the prefix of RFC 6052, section 2.1.
func wellKnown() netip.Prefix { return netip.MustParsePrefix("64:ff9b::/96") }

// nat64Target finds the IPv4 address that a stands for behind a NAT64 with the
// well-known prefix or one of these (RFC 6052, section 2.2).
func nat64Target(a netip.Addr, prefixes ...netip.Prefix) (netip.Addr, bool) {
	for _, p := range append([]netip.Prefix{wellKnown()}, prefixes...) {
		if p.Contains(a.WithZone("")) {
			if v4, ok := embedded(a, p.Bits()); ok {
				return v4, true
			}
		}
	}
	return netip.Addr{}, false
}

// embeds reports whether a may stand for one of these IPv4 addresses. Whether it does,
// only the prefix of a NAT64 decides.
func embeds(a netip.Addr, v4 []netip.Addr) bool {
	for _, bits := range prefixLengths {
		if e, ok := embedded(a, bits); ok && slices.Contains(v4, e) {
			return true
		}
	}
	return false
}

// nat64Prefixes finds the prefixes of NAT64s in the IPv6 addresses of ipv4Only,
// whose IPv4 addresses are 192.0.0.170 and 192.0.0.171.
func nat64Prefixes(answers []netip.Addr) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range answers {
		for _, bits := range prefixLengths {
			v4, ok := embedded(a, bits)
			if !ok || v4 != netip.AddrFrom4([4]byte{192, 0, 0, 170}) && v4 != netip.AddrFrom4([4]byte{192, 0, 0, 171}) {
				continue
			}
			if p := netip.PrefixFrom(a.WithZone(""), bits).Masked(); !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// prefixLengths are those that RFC 6052 allows, the commonest first.
var prefixLengths = [...]int{96, 64, 56, 48, 40, 32}

// embedded is the IPv4 address behind a prefix of so many bits. It steps over
// bits 64 to 71, which are zero, as is all that follows it.
func embedded(a netip.Addr, bits int) (netip.Addr, bool) {
	if !a.Is6() || a.Is4In6() || !slices.Contains(prefixLengths[:], bits) {
		return netip.Addr{}, false
	}
	b := a.As16()
	var v4 [4]byte
	at := bits / 8
	for i := range v4 {
		if at == 8 {
			at++
		}
		v4[i] = b[at]
		at++
	}
	for _, rest := range b[at:] {
		if rest != 0 {
			return netip.Addr{}, false
		}
	}
	return netip.AddrFrom4(v4), b[8] == 0
}
