package evidence

import (
	"fmt"

	"onmux/probe"
	"onmux/probe/traceroute"
	"onmux/probe/wording"
)

// Path states in one sentence what a path to e shows: how far away e is, or where
// the path ends.
func Path(e probe.Endpoint, path []probe.Hop) string {
	if len(path) == 0 {
		return "not even the first hop answers"
	}
	last := path[len(path)-1]
	hop, but := fmt.Sprintf("hop %d", last.Hop), ""
	if traceroute.EndMayBeNearer(path) {
		hop, but = "at most "+hop, "; the hops before it do not answer, perhaps because their ICMP is limited"
	}
	at := fmt.Sprintf("%s (%s)", last.Address, hop)
	_, loops := traceroute.FindLoop(path)
	switch {
	case last.Reason == probe.NoNeighbor:
		return "nothing leaves this machine: no neighbor answers for the address or for the gateway to it"
	case loops:
		return "a routing loop: the packet comes back to " + at
	case !last.IsEnd():
		return "the packet gets as far as " + at + "; what comes next does not answer"
	case !probe.SameHost(last.Address, e.Addr):
		return fmt.Sprintf("the packet gets as far as %s, which answers %s%s", at, last.Reason, but)
	case last.Hop == 1:
		return "the target is the first hop: no router lies between"
	case but != "":
		return "the target is " + hop + but
	}
	return fmt.Sprintf("the target is hop %d: %s between", last.Hop, wording.Count(last.Hop-1, "router", "routers"))
}
