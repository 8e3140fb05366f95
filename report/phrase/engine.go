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
		return wording.Count(n.Count, "probe", "probes") + " could not be sent when the neighbour had answered"
	case engine.NoteDropped:
		return wording.Count(n.Count, "packet", "packets") +
			" did not fit into this machine's buffers; a lower rate would lose fewer"
	case engine.NoteNextHopLost:
		question := "neighbour discovery"
		if n.Addr.Is4() {
			question = "ARP"
		}
		return fmt.Sprintf("the next hop %s no longer answers %s: silence behind it means little", n.Addr, question)
	case engine.NoteNeighborRate:
		return fmt.Sprintf("limited to %d new neighbours a second: connections use the kernel's table of neighbours, "+
			"which is small; --method syn does not", n.Count)
	}
	return string(n.Kind)
}
