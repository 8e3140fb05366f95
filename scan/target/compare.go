package target

import (
	"fmt"
	"slices"

	"onmux/probe"
)

// Difference is in what other's endpoints differ from those of p, in a few words,
// or "" if they have the same endpoints with the same numbers.
func (p *Plan) Difference(other *Plan) string {
	if !slices.Equal(p.ports, other.ports) {
		return "ports " + listPorts(p.ports) + ", not " + listPorts(other.ports)
	}
	a, b := merge(p.spans()), merge(other.spans())
	if slices.Equal(a.v4, b.v4) && slices.Equal(a.v6, b.v6) {
		if p.Fingerprint() != other.Fingerprint() {
			return "other ports of some targets"
		}
		return ""
	}
	of := fmt.Sprintf("%s, not %s", countAddrs(p.addrs), countAddrs(other.addrs))
	if p.addrs == other.addrs {
		of = "other addresses"
	}
	if more := subtract(b, a); more.len() > 0 {
		return fmt.Sprintf("%s; %v is not in it", of, more.at(0).first())
	}
	more := subtract(a, b)
	return fmt.Sprintf("%s; %v is in it", of, more.at(0).first())
}

func listPorts(ports []probe.Port) string {
	var names []string
	for _, p := range ports {
		names = append(names, p.String())
	}
	return few(names)
}

func countAddrs(n uint64) string { return plural(u128{0, n}, "address", "addresses") }

// Config describes how the plan was made, without its targets and exclusions:
// names resolve to what they resolved to then.
func (p *Plan) Config() Config {
	return Config{Ports: p.usual.Ports(), Own: p.own, Resolve: p.names.resolve}
}
