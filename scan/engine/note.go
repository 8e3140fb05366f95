package engine

import "net/netip"

// NoteKind is what a Note is about.
type NoteKind string

// The notes of engines.
const (
	NoteUnproven     NoteKind = "unproven"      // Count packets to the scan's ports had no proof of answering a probe
	NoteUnsent       NoteKind = "unsent"        // Count probes could not be sent when their neighbor had answered
	NoteDropped      NoteKind = "dropped"       // Count packets did not fit into this machine's receive buffers
	NoteNextHopLost  NoteKind = "next-hop-lost" // Addr answered for its MAC once, and then no more
	NoteNeighborRate NoteKind = "neighbor-rate" // connections were held to Count new neighbors a second
)

// Note is a fact about a finished scan that its user should know.
type Note struct {
	Kind  NoteKind
	Count uint64
	Addr  netip.Addr
}

// Noter is an Engine that has notes. They are complete once the scan is over.
type Noter interface{ Notes() []Note }
