package scan

import (
	"net/netip"
	"time"

	"onmux/probe"
)

// MaxTries bounds how often one endpoint is asked: the verdict byte has four
// bits for it.
const MaxTries = 15

// Config is everything a sweep depends on. Only Plan and Engine are required.
type Config struct {
	Plan    *Plan
	Engine  Engine
	Rate    float64       // probes a second; 0 means DefaultRate, +Inf no limit
	Retries int           // passes after the first, at most MaxTries-1; negative means DefaultRetries
	Timeout time.Duration // upper bound on the wait for one answer; 0 means DefaultTimeout
	Bound   float64       // another pass is owed while more answering hosts than this are expected to be missed; 0 means 1
	Seed    uint64        // key of the order; the same seed and plan give the same order
	Shard   Shard         // which part of the order is ours; the zero value is all of it
	All     bool          // a record for every endpoint instead of ranges

	// Watch, if set, is told how far the sweep is, about ten times a second,
	// from the sweep's goroutine; it must not block.
	Watch func(Progress)
}

// Shard I of N takes every N-th position of the order; I counts from 1.
type Shard struct{ I, N int }

// Progress is how far a sweep is. Done never decreases and Done/Total is the
// share of the work that is known to be owed.
type Progress struct {
	Pass        int
	Done, Total uint64        // probes sent, and probes sent plus those still owed
	ETA         time.Duration // at the present pace, drain included
	Open        uint64        // endpoints found open so far
	Rate        float64       // probes a second, now
}

// Range is a run of neighbouring addresses with the same verdict on the same
// port, and the record of type "range" in documents.
type Range struct {
	First     netip.Addr   `json:"first"`
	Last      netip.Addr   `json:"last"`
	Count     uint64       `json:"count"`
	Port      uint16       `json:"port"`
	Proto     probe.Proto  `json:"proto"`
	State     probe.State  `json:"state"`
	Reason    probe.Reason `json:"reason,omitzero"`
	Tries     int          `json:"tries,omitzero"`     // each address was asked at least this often
	Responder netip.Addr   `json:"responder,omitzero"` // who answered for all of them, if one other host did
	Error     string       `json:"error,omitempty"`    // why the state is Unknown
}

// Kind names the record's type in documents.
func (Range) Kind() string { return "range" }

// Summary counts a run. The states add up to Targets, always.
type Summary struct {
	Targets        uint64            `json:"targets"` // endpoints asked
	States         map[string]uint64 `json:"states"`
	NotReached     uint64            `json:"not_reached,omitzero"` // planned, and not asked
	Probes         uint64            `json:"probes,omitzero"`      // attempts sent
	Passes         int               `json:"passes,omitzero"`
	Loss           *float64          `json:"loss,omitempty"`            // share of attempts at answering hosts without an answer; nil: not measurable
	ExpectedMissed *float64          `json:"expected_missed,omitempty"` // answering hosts probably still told silent
	Contradictions uint64            `json:"contradictions,omitzero"`   // answers that disagreed with an earlier one
	Duration       probe.Millis      `json:"duration_ms"`
}

// Outcome is what a sweep ends with.
type Outcome struct {
	Summary
	Complete bool     // every endpoint of the shard was asked as often as owed
	Coverage []string // what was and was not looked at, a sentence each
	Notes    []string // what slowed it down, and other things worth a line on stderr
}
