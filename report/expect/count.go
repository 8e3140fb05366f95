package expect

import (
	"fmt"
	"strconv"

	"onmux/probe"
	"onmux/report/record"
	"onmux/scan"
)

// zoneCounts is how many endpoints or ports there are of each word, as one zone finds them. Without
// zones there is one, which has no name.
type zoneCounts struct {
	zone   string
	words  map[string]uint64
	decoys uint64       // endpoints that are open as every port of their host is
	met    map[int]bool // expectations of fields, by index, that an open endpoint has met
}

// zone is what is counted for a zone.
func (j *Judge) zone(name string) *zoneCounts {
	for _, z := range j.zones {
		if z.zone == name {
			return z
		}
	}
	z := &zoneCounts{zone: name, words: make(map[string]uint64), met: make(map[int]bool)}
	j.zones = append(j.zones, z)
	return z
}

// notReached is how many endpoints the zone did not get to.
func (z *zoneCounts) notReached(s scan.Summary) uint64 {
	for _, of := range s.Zones {
		if of.Zone == z.zone {
			return of.NotReached
		}
	}
	return s.NotReached
}

// judge holds the counts against an expectation of them. There is a doubt where they do not decide it.
func (z *zoneCounts) judge(e Expectation, s scan.Summary) (v record.Violation, violated bool, doubt string) {
	// Each that is unknown or was not reached may be one more.
	var low uint64
	for word, n := range z.words {
		if e.allows(word) {
			low += n
		}
	}
	high := low
	if e.words[0] != record.Unknown {
		high += z.words[record.Unknown]
	}
	if e.words[0] == probe.Open.String() && !e.wants() {
		low, high = low+z.decoys, high+z.decoys
	}
	high += z.notReached(s)
	always, violated := e.bounds(low, high)
	switch {
	case violated:
		v = record.Violation{What: "count" + record.From(z.zone), Expected: e.text,
			Actual: e.words[0] + "=" + strconv.FormatUint(low, 10), Zone: z.zone}
	case !always:
		doubt = fmt.Sprintf("%s%s: %d %s, and %d could not be determined", e.text, record.From(z.zone), low, e.words[0],
			high-low)
	}
	return v, violated, doubt
}
