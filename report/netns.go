package report

import "onmux/probe/local"

// byNamespace tells sockets of the caller's own namespace from those of others,
// which are together for each, in the order in which they came.
func byNamespace(all []local.Listener) (own []local.Listener, others [][]local.Listener) {
	at := make(map[string]int)
	for _, l := range all {
		if !elsewhere(l) {
			own = append(own, l)
			continue
		}
		i, known := at[l.NetNS]
		if !known {
			i = len(others)
			at[l.NetNS] = i
			others = append(others, nil)
		}
		others[i] = append(others[i], l)
	}
	return own, others
}

// elsewhere reports whether a socket is in another network namespace than the
// one that was asked about.
func elsewhere(l local.Listener) bool { return l.NetNS != "" && l.NetNS != "host" }

// within is how far a socket can be reached, and where that is meant of another
// network namespace.
func within(l local.Listener) string {
	if elsewhere(l) {
		return l.Reach + " in network namespace " + l.NetNS
	}
	return l.Reach
}
