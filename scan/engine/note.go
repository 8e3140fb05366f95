package engine

import "net/netip"

// NoteKind is what a Note is about.
type NoteKind string

// The notes of engines.
const (
	NoteUnproven      NoteKind = "unproven"       // Count packets to the scan's ports had no proof of answering a probe
	NoteUnsent        NoteKind = "unsent"         // Count probes could not be sent when their neighbor had answered
	NoteDropped       NoteKind = "dropped"        // Count packets did not fit into this machine's receive buffers
	NoteNextHopLost   NoteKind = "next-hop-lost"  // Addr answered for its MAC once, and then no more
	NoteNeighborTable NoteKind = "neighbor-table" // waited for room in a table of Count neighbors; 0: not known
)

// Note is a fact about a finished scan that its user should know.
type Note struct {
	Kind  NoteKind
	Count uint64
	Addr  netip.Addr
}

// Noter is an Engine that has notes. They are complete once the scan is over.
type Noter interface{ Notes() []Note }

// NeighborUse is what a scan needs of the table of one family's neighbors, which connections
// use and all programs of the machine share.
type NeighborUse struct {
	Neighbors uint64 `json:"neighbors"` // of this machine, among the targets
	Limit     int    `json:"limit"`     // entries of the table
	Taken     int    `json:"taken"`     // of those, by others
	Room      int    `json:"room"`      // entries that the scan takes at most; half is left to others
}
