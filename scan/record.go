package scan

import (
	"net/netip"

	"onmux/probe"
	"onmux/scan/control"
)

// Finding is one record of a scan: a probe.Result for a single endpoint, a Range for
// a run of them. Their Doubts are not among their Notes yet.
type Finding interface{ Kind() string }

// Range is a run of neighboring addresses with the same verdict on the same port,
// and the record of type "range" in documents.
type Range struct {
	First     netip.Addr    `json:"first"`
	Last      netip.Addr    `json:"last"`
	Count     uint64        `json:"count"`
	Port      uint16        `json:"port"`
	Proto     probe.Proto   `json:"proto"`
	State     probe.State   `json:"state"`
	Reason    probe.Reason  `json:"reason,omitzero"`
	Tries     int           `json:"tries,omitzero"`     // each address was asked at least this often
	Responder netip.Addr    `json:"responder,omitzero"` // who answered for all of them, if one other host did
	Doubts    []probe.Doubt `json:"doubts,omitempty"`
	Notes     []string      `json:"notes,omitempty"` // the doubts as sentences
	Error     string        `json:"error,omitempty"` // why the state is Unknown
	Facts     []probe.Fact  `json:"-"`               // of which a report makes Error, if it is empty
	Zone      string        `json:"zone,omitempty"`  // from where it was asked, in a scan from several zones
}

// Kind names the record's type in documents.
func (Range) Kind() string { return "range" }

// Summary counts a run. The states add up to Targets, always.
type Summary struct {
	Targets    uint64            `json:"targets"` // endpoints asked
	States     map[string]uint64 `json:"states"`
	NotReached uint64            `json:"not_reached,omitzero"` // planned, and not asked
	Probes     uint64            `json:"probes,omitzero"`      // attempts sent
	Passes     int               `json:"passes,omitzero"`      // without those that made up for void tries

	// Loss is the share of attempts at answering hosts that brought no answer, 0 to
	// 1, and ExpectedMissed how many answering hosts are probably still reported as
	// silent. nil is not measurable.
	Loss           *float64 `json:"loss,omitempty"`
	ExpectedMissed *float64 `json:"expected_missed,omitempty"`

	Contradictions uint64       `json:"contradictions,omitzero"` // answers that disagreed with an earlier one
	Repeated       uint64       `json:"repeated,omitzero"`       // answers that repeated what was known, unasked
	Late           uint64       `json:"late,omitzero"`           // answers that came after the next try; they count
	Forged         uint64       `json:"forged,omitzero"`         // packets that prove no answer; they change nothing
	Duration       probe.Millis `json:"duration_ms"`

	Controls *control.Summary `json:"controls,omitempty"` // nil if none was asked

	Zone  string    `json:"zone,omitempty"`  // from where it was asked, of one of Zones
	Zones []Summary `json:"zones,omitempty"` // of a scan from several zones, in the order of their names
}

// Outcome is what a scan ends with.
type Outcome struct {
	Summary
	Complete bool   // every endpoint of the shard was asked as often as needed
	Coverage []Note // what was and was not looked at
	Notes    []Note // what slowed it down, and other things that the user should know
}
