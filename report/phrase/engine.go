package phrase

import (
	"fmt"

	"onmux/scan/engine"
)

// EngineNote is a line about a finished scan.
func EngineNote(n engine.Note) string {
	switch n.Kind {
	case engine.NoteUnproven:
		return "ignored " + counted(n.Count, "packet") + " that came to the scan's ports without proof of answering a probe"
	case engine.NoteUnsent:
		return counted(n.Count, "probe") + " could not be sent when the neighbour had answered"
	case engine.NoteDropped:
		return counted(n.Count, "packet") + " found no room in this machine's buffers; a lower rate would lose fewer"
	case engine.NoteNextHopLost:
		question := "neighbour discovery"
		if n.Addr.Is4() {
			question = "ARP"
		}
		return fmt.Sprintf("the next hop %s no longer answers %s: silence behind it is worth little", n.Addr, question)
	case engine.NoteNeighborRate:
		return fmt.Sprintf("held to %d neighbours a second: connections go through the kernel's table of them, "+
			"which is small; --method syn needs none", n.Count)
	}
	return string(n.Kind)
}

// counted is "1 packet" or "1,234 packets".
func counted(n uint64, what string) string {
	if n != 1 {
		what += "s"
	}
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s + " " + what
}
