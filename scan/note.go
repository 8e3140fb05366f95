package scan

import (
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/scan/control"
	"onmux/scan/target"
	"onmux/scan/verdict"
)

// NoteKind is what a Note is about.
type NoteKind string

// What an Outcome covers.
const (
	CoverAsked          NoteKind = "asked"           // Count of Of endpoints, of a plan of Plan if that is a Shard
	CoverReplayed       NoteKind = "replayed"        // from a complete checkpoint, Saved after Count probes
	CoverResumed        NoteKind = "resumed"         // from a checkpoint, Saved after Count probes
	CoverNotReached     NoteKind = "not-reached"     // Count of Of endpoints, because of Err
	CoverPassCut        NoteKind = "pass-cut"        // pass Pass over the silent endpoints, because of Err
	CoverNotRepeated    NoteKind = "not-repeated"    // silent endpoints were not probed again, because of Err
	CoverNotAsked       NoteKind = "not-asked"       // Count endpoints could not be, because of Err
	CoverLossUnknown    NoteKind = "loss-unknown"    // of Proto, silent in Pass passes; 0 for an unfinished one
	CoverUndecided      NoteKind = "undecided"       // Count UDP endpoints are silent where ICMP errors are limited
	CoverContradictions NoteKind = "contradictions"  // Count answers, of which some are Examples
	CoverDetailsCut     NoteKind = "details-cut"     // details are kept of Count endpoints that are not open
	CoverNotFollowedUp  NoteKind = "not-followed-up" // Count open endpoints
	CoverOpenEverywhere NoteKind = "open-everywhere" // all Count open hosts of Network answer on every port
)

// What else a user should know of a scan.
const (
	NoteSlowed      NoteKind = "slowed"       // to Rate probes a second, because of Cause
	NoteOutage      NoteKind = "outage"       // endpoints known to answer did not From then To then; Lost is for good
	NoteControl     NoteKind = "control"      // Endpoint, a named control, answered none of Count probes
	NoteNoControl   NoteKind = "no-control"   // nobody answered by Device but the next hop Addr
	NoteNetworkRate NoteKind = "network-rate" // limited to Rate, because no network gets more than Most a second
	NoteMissed      NoteKind = "missed"       // about Rate answering hosts are still silent after Pass passes
	NoteStrays      NoteKind = "strays"       // Count answers to probes that were not sent
	NoteCloseFailed NoteKind = "close-failed" // of the engine, with Err
	NoteSaveFailed  NoteKind = "save-failed"  // of the last checkpoint, with Err
)

// Note is a fact about a scan that has ended: what it covers, or what else its user
// should know. Kind determines which of the other fields are set.
type Note struct {
	Kind      NoteKind
	Count, Of uint64
	Plan      uint64 // endpoints
	Shard     target.Shard
	Pass      int
	Rate      float64 // probes a second; for NoteMissed hosts
	Most      float64 // probes a second
	Proto     probe.Proto
	Network   netip.Prefix
	Endpoint  probe.Endpoint
	Saved     time.Time
	From, To  time.Time
	Addr      netip.Addr
	Device    string
	Lost      bool
	Cause     control.Cause
	Err       error // nil for an unknown reason
	Examples  []verdict.Contradiction
}
