package phrase

import (
	"fmt"

	"onmux/probe/wording"
	"onmux/report/record"
)

// NotReported and NotThere stand for the state of what only the other report has.
const (
	NotReported = "not reported"
	NotThere    = "not there"
)

// HostDown stands for the state of the ports of a host that another program found down.
const HostDown = "host down"

// Side is one of two reports that are compared.
type Side string

// The sides.
const (
	Old Side = "old"
	New Side = "new"
)

// SideDoubt is why a difference between two reports may be none.
type SideDoubt int

// The doubts.
const (
	Absent       SideDoubt = iota // the report has no record of it
	NotMeasured                   // it could not be measured
	NotSure                       // the report has it with low confidence
	Missed                        // silence in a report that expects to have missed answers
	Incomplete                    // silence in a report that is incomplete
	Undecided                     // silence that decides nothing
	Unidentified                  // its service is not known
)

// Doubt is a note about one side of a difference.
func (s Side) Doubt(d SideDoubt) string {
	return "the " + string(s) + " report " + map[SideDoubt]string{
		Absent:      "does not have it",
		NotMeasured: "could not measure it",
		NotSure:     "is not sure of it",
		Missed:      "expects to have missed answers",
		Incomplete:  "is incomplete",

		Undecided:    "has it silent, which decides nothing",
		Unidentified: "does not know the service",
	}[d]
}

// NotLooked is a note about a port of which one report has no verdict but unknown.
const NotLooked = "one of the reports could not look"

// InBoth is how much was compared.
func InBoth(n uint64) string { return "in both reports, and compared: " + wording.Number(n) }

// NotDecided is how many endpoints differ only by a silence that decides nothing.
func NotDecided(n uint64) string {
	return "not certain, because one report has them silent, which decides nothing: " + wording.Number(n)
}

// OnlyIn is how much one side has alone.
func OnlyIn(s Side, n uint64) string {
	return "only in the " + string(s) + " report, and not compared: " + wording.Number(n)
}

// Shard is what a shard of a scan lacks.
func Shard(p record.Plan, name string, endpoints uint64, complete bool) string {
	state := "is incomplete: it has"
	if complete {
		state = "is marked complete, and has"
	}
	return fmt.Sprintf("shard %d of %d (%s) %s %s of %s endpoints",
		p.Shard, p.Shards, name, state, wording.Number(endpoints), wording.Number(p.Share()))
}

// NoShards is the shards that are not there, which ascend: "missing: shards 2,5-7 of 8".
func NoShards(numbers []uint16, of int) string {
	noun := "shards"
	if len(numbers) == 1 {
		noun = "shard"
	}
	return fmt.Sprintf("missing: %s %s of %d", noun, Ranges(numbers), of)
}

// Merged is how many endpoints of a scan its shards have together.
func Merged(n, of uint64) string {
	return fmt.Sprintf("reported once each: %s of %s endpoints", wording.Number(n), wording.Number(of))
}
