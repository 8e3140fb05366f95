package inquiry

import (
	"fmt"

	"onmux/probe"
)

// families holds what the two address families of each name say against each
// other. IPv4 comes first.
type families map[sameName][]probe.Result

type sameName struct {
	host string
	port probe.Port
}

// compare notes on an IPv6 endpoint that its name is in another state over IPv4.
func (f families) compare(r *probe.Result) {
	if r.Host == "" || r.Tries == 0 || r.State == probe.Unknown {
		return
	}
	key := sameName{r.Host, probe.Port{Number: r.Port, Proto: r.Proto}}
	if r.Addr.Unmap().Is4() {
		f[key] = append(f[key], probe.Result{Endpoint: r.Endpoint, State: r.State})
		return
	}
	for _, other := range f[key] {
		if agree(r.State, other.State) {
			return
		}
	}
	if other := f[key]; len(other) > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("IPv4 and IPv6 differ: over IPv4 %s is %s at %s", r.Host, other[0].State,
			other[0].Addr))
	}
}

// agree reports whether two states may be one: silence to UDP may be that of an
// open port.
func agree(a, b probe.State) bool {
	maybe := func(a, b probe.State) bool {
		return a == probe.OpenFiltered && (b == probe.Open || b == probe.Filtered)
	}
	return a == b || maybe(a, b) || maybe(b, a)
}
