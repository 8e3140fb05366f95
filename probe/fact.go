package probe

import "net/netip"

// FactKind is what a Fact states.
type FactKind string

// The evidence of a verdict, from one attempt.
const (
	FactSynAck          FactKind = "syn-ack"            // After; Handshake if it is known
	FactReset           FactKind = "reset"              // a RST, After
	FactRefused         FactKind = "refused"            // After, by package net's error
	FactResetAtOnce     FactKind = "reset-at-once"      // accepted, and reset, After
	FactReply           FactKind = "reply"              // of Size bytes, Data the first of them, to Count datagrams
	FactReplyTo         FactKind = "reply-to"           // a datagram in answer to the request Text, within After
	FactSilence         FactKind = "silence"            // for After; Count SYNs or datagrams of Size; 0: not known
	FactPortUnreachable FactKind = "port-unreachable"   // After, by package net's error
	FactSystemError     FactKind = "system-error"       // Text, After
	FactKernelError     FactKind = "kernel-error"       // Text, After; the ICMP message is not known
	FactICMP            FactKind = "icmp"               // ICMP from Addr (Sender), After
	FactICMPIgnored     FactKind = "icmp-ignored"       // ICMP from Addr ended the handshake and decides nothing
	FactNoNeighbor      FactKind = "no-neighbor"        // Addr, Route's gateway or the target, did not answer for After
	FactSource          FactKind = "source"             // probed from From, by Route if it is known
	FactOwnPort         FactKind = "own-port"           // this scan sends from the port; nothing was sent to it
	FactQuote           FactKind = "quote"              // ICMP from Addr quotes the probe
	FactDatagram        FactKind = "datagram"           // one of Size bytes answered
	FactWindow          FactKind = "window"             // a SYN-ACK with a window of Size bytes
	FactRST             FactKind = "rst"                // a RST acknowledges the SYN
	FactMAC             FactKind = "mac"                // Text is the MAC of the target
	FactUnresolved      FactKind = "unresolved-address" // ARP or neighbor discovery of Addr had no answer
)

// Why the state of an endpoint of a capture is unknown.
const (
	FactOneDirection FactKind = "one-direction" // only packets of clients were captured, who go on after answers
	FactCaptureEnds  FactKind = "capture-ends"  // After the endpoint was first asked
	FactNeverAsked   FactKind = "never-asked"   // within the capture
)

// What else is known of a verdict: its notes.
const (
	FactNoTime        FactKind = "no-time"          // for Part
	FactNotFound      FactKind = "not-found"        // Part failed, because of Text
	FactFamilies      FactKind = "families-differ"  // over IPv4 the host is State at Addr
	FactNoRouter      FactKind = "no-router"        // the target is on this network, and no hop answered
	FactNoHop         FactKind = "no-hop"           // no hop answered
	FactContradictory FactKind = "contradictory"    // attempts had the answers that States counts
	FactSilentSince   FactKind = "silent-since"     // it was State up to try Count; the Size tries since had no answer
	FactLastSilent    FactKind = "last-silent"      // the last Count tries had no answer
	FactRateLimited   FactKind = "rate-limit-usual" // hosts limit how many port unreachables they send
)

// Part is a part of an inquiry.
type Part string

// The parts that need more than one attempt.
const (
	PartService Part = "service"
	PartVerify  Part = "verify"
	PartPath    Part = "path"
	PartFarEnd  Part = "far-end"
)

// Sender is who sent an ICMP error.
type Sender string

// The senders of ICMP errors that are not routers on the way.
const (
	SenderTarget   Sender = "target"
	SenderSelf     Sender = "self"     // this machine
	SenderNeighbor Sender = "neighbor" // this machine, for a neighbor that did not answer
)

// Fact is a piece of evidence for a verdict, or a note about it, as data. Kind determines
// which of the other fields are set.
type Fact struct {
	Kind      FactKind       `json:"kind"`
	After     Millis         `json:"after_ms,omitzero"`
	Addr      netip.Addr     `json:"address,omitzero"`
	From      netip.AddrPort `json:"from,omitzero"`
	ICMP      ICMP           `json:"icmp,omitzero"`
	Sender    Sender         `json:"sender,omitempty"`
	Route     *Route         `json:"route,omitempty"`
	Handshake *Handshake     `json:"handshake,omitempty"`
	Count     int            `json:"count,omitzero"`
	Size      int            `json:"size,omitzero"`
	Data      []byte         `json:"data,omitempty"`
	Text      string         `json:"text,omitempty"`
	Part      Part           `json:"part,omitempty"`
	State     State          `json:"state,omitzero"`
	States    map[string]int `json:"states,omitempty"`
}
