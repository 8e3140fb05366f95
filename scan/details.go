package scan

import (
	"onmux/probe"
	"onmux/scan/verdict"
)

// maxDetails bounds for how many endpoints that answered, and are not open, the
// whole Result is kept beside the cell. A small scan, or one with a record for
// every endpoint that somebody will read, loses nothing; a large one stays at
// about a byte a target, whatever answers: a Result takes some 400 bytes, and a
// network may make every address answer.
const maxDetails = 65536

// details are the answers that are kept whole, by index.
type details map[uint64]*probe.Result

// keep stores an answer that changed the cell old, and returns what it stored: nil
// if there is no room.
func (d details) keep(i uint64, old verdict.Cell, r *probe.Result) *probe.Result {
	d.forget(i, old)
	if len(d) >= maxDetails {
		return nil
	}
	kept := *r
	d[i] = &kept
	return &kept
}

// forget drops what made the cell old. The map is looked into only if something may
// be there.
func (d details) forget(i uint64, old verdict.Cell) {
	if old.HasAnswer() {
		delete(d, i)
	}
}

// of is the answer that made the verdict of a reason, or nil.
func (d details) of(i uint64, why probe.Reason) *probe.Result {
	if r := d[i]; r != nil && r.Reason == why {
		return r
	}
	return nil
}
