package inquiry

import "onmux/probe"

// families compares the states of each name over IPv4 and over IPv6. IPv4 comes first.
type families map[sameName][]probe.Result

type sameName struct {
	host string
	port probe.Port
}

// compare adds a fact to an IPv6 endpoint whose name is in another state over IPv4.
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
		addFact(r, probe.Fact{Kind: probe.FactFamilies, State: other[0].State, Addr: other[0].Addr})
	}
}

// agree reports whether two states may be the same: UDP silence may be that of an open
// port.
func agree(a, b probe.State) bool {
	maybe := func(a, b probe.State) bool {
		return a == probe.OpenFiltered && (b == probe.Open || b == probe.Filtered)
	}
	return a == b || maybe(a, b) || maybe(b, a)
}
