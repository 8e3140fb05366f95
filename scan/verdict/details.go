package verdict

import "onmux/probe"

// MaxDetails bounds for how many endpoints that answered, and are not open, the
// whole Result is kept beside the cell. A small scan, or one with a record for
// every endpoint that somebody will read, loses nothing; a large one stays at
// about a byte a target, whatever answers: a Result takes some 400 bytes, and a
// network may make every address answer.
const MaxDetails = 65536

// Details are the answers that are kept whole, by index.
type Details map[uint64]*probe.Result

// Keep stores an answer that changed the cell old, and returns what it stored: nil
// if there is no room.
func (d Details) Keep(i uint64, old Cell, r *probe.Result) *probe.Result {
	d.Forget(i, old)
	if len(d) >= MaxDetails {
		return nil
	}
	kept := *r
	d[i] = &kept
	return &kept
}

// Forget drops what made the cell old. The map is looked into only if something may
// be there.
func (d Details) Forget(i uint64, old Cell) {
	if old.HasAnswer() {
		delete(d, i)
	}
}

// Of is the answer that made the verdict of a reason, or nil.
func (d Details) Of(i uint64, why probe.Reason) *probe.Result {
	if r := d[i]; r != nil && r.Reason == why {
		return r
	}
	return nil
}
