package phrase

import (
	"fmt"

	"onmux/probe/wording"
	"onmux/scan/engine"
)

// EngineNote is a line about a finished scan.
func EngineNote(n engine.Note) string {
	switch n.Kind {
	case engine.NoteUnproven:
		return "ignored " + wording.Count(n.Count, "packet", "packets") +
			" that came to the scan's ports without proof of answering a probe"
	case engine.NoteUnsent:
		return wording.Count(n.Count, "probe", "probes") + " could not be sent when the neighbor had answered"
	case engine.NoteDropped:
		return wording.Count(n.Count, "packet", "packets") +
			" did not fit into this machine's buffers; a lower rate would lose fewer"
	case engine.NoteNextHopLost:
		question := "neighbor discovery"
		if n.Addr.Is4() {
			question = "ARP"
		}
		return fmt.Sprintf("the next hop %s no longer answers %s: silence behind it means little", n.Addr, question)
	case engine.NoteNeighborTable:
		size := ""
		if n.Count > 0 {
			size = wording.Number(n.Count) + " "
		}
		return "waited for room in the kernel's table of " + size + "neighbors, which connections need and all programs of " +
			"this machine share: half was left to them; --method syn needs none"
	}
	return string(n.Kind)
}
