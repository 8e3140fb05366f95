package phrase

import (
	"net/netip"
	"testing"

	"onmux/scan/engine"
)

func TestEngineNote(t *testing.T) {
	for _, c := range []struct {
		note engine.Note
		want string
	}{
		{engine.Note{Kind: engine.NoteUnproven, Count: 1},
			"ignored 1 packet that came to the scan's ports without proof of answering a probe"},
		{engine.Note{Kind: engine.NoteUnproven, Count: 1234567},
			"ignored 1,234,567 packets that came to the scan's ports without proof of answering a probe"},
		{engine.Note{Kind: engine.NoteUnsent, Count: 2}, "2 probes could not be sent when the neighbor had answered"},
		{engine.Note{Kind: engine.NoteDropped, Count: 1000},
			"1,000 packets did not fit into this machine's buffers; a lower rate would lose fewer"},
		{engine.Note{Kind: engine.NoteNextHopLost, Addr: netip.MustParseAddr("10.0.0.1")},
			"the next hop 10.0.0.1 no longer answers ARP: silence behind it means little"},
		{engine.Note{Kind: engine.NoteNextHopLost, Addr: netip.MustParseAddr("fe80::1")},
			"the next hop fe80::1 no longer answers neighbor discovery: silence behind it means little"},
		{engine.Note{Kind: engine.NoteNeighborTable, Count: 1024},
			"waited for room in the kernel's table of 1,024 neighbors, which connections need and all programs of " +
				"this machine share: half was left to them; --method syn needs none"},
		{engine.Note{Kind: engine.NoteNeighborTable},
			"waited for room in the kernel's table of neighbors, which connections need and all programs of " +
				"this machine share: half was left to them; --method syn needs none"},
	} {
		if got := EngineNote(c.note); got != c.want {
			t.Errorf("%+v: %q, want %q", c.note, got, c.want)
		}
	}
}
