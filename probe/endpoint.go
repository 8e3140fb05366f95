package probe

import (
	"net/netip"
	"strings"
)

// SplitHostPort splits "host", "host:80", "host:53/udp", "::1" and "[::1]:80"; spec is
// the text for the port, or empty. Nothing is resolved or checked.
func SplitHostPort(arg string) (host, spec string) {
	if _, err := netip.ParseAddr(arg); err == nil {
		return arg, ""
	}
	if inner, ok := strings.CutPrefix(arg, "["); ok {
		if host, rest, ok := strings.Cut(inner, "]"); ok {
			return host, strings.TrimPrefix(rest, ":")
		}
	}
	if host, spec, ok := strings.Cut(arg, ":"); ok && !strings.Contains(spec, ":") {
		return host, spec
	}
	return arg, ""
}

// Lookup is the result of resolving a name.
type Lookup struct {
	Time  Millis `json:"time_ms"`         // until all its addresses were known
	CNAME string `json:"cname,omitempty"` // the canonical name, without the last dot, if it is another
}
