package control

import (
	"slices"
	"time"
)

// flight is a control probe that has left.
type flight struct {
	index    uint64
	at       Mark
	due      time.Time
	overdue  time.Time // when it was noticed that due has passed
	answered bool
	unsent   bool // it did not leave after all
	sample   bool // it tests for a limit of ICMP errors
}

// flights are control probes in the order in which they left.
type flights struct {
	list    []flight
	first   uint64            // number of the first of them
	numbers map[uint64]uint64 // by index
}

// leave takes in that control probes leave at a mark; answers count for wait.
func (l *flights) leave(sent []Control, at Mark, wait time.Duration) {
	for _, p := range sent {
		l.numbers[p.Index] = l.first + uint64(len(l.list))
		l.list = append(l.list, flight{index: p.Index, at: at, due: at.At.Add(wait), sample: p.sample})
	}
}

// outstanding is the control probe to an endpoint that may still be answered, or nil.
func (l *flights) outstanding(index uint64) *flight {
	if number, ok := l.numbers[index]; ok {
		return &l.list[number-l.first]
	}
	return nil
}

// withdraw takes in that control probes did not leave, and returns how many.
func (l *flights) withdraw(unsent []Control) (n uint64) {
	for _, p := range unsent {
		if f := l.outstanding(p.Index); f != nil {
			f.unsent = true
			n++
		}
	}
	return n
}

// over removes and returns the first of them, as long as it is known what became of each.
func (l *flights) over(now time.Time) []flight {
	n := 0
	for ; n < len(l.list) && l.list[n].over(now); n++ {
		delete(l.numbers, l.list[n].index)
	}
	all := slices.Clone(l.list[:n])
	l.first += uint64(n)
	l.list = slices.Delete(l.list, 0, n)
	return all
}

// over reports whether no answer is waited for any more.
func (f *flight) over(now time.Time) bool {
	if f.overdue.IsZero() && !now.Before(f.due) {
		f.overdue = now
	}
	return f.answered || f.unsent || !f.overdue.IsZero() && now.Sub(f.overdue) >= grace
}

// budget bounds the control probes of a scan.
type budget struct {
	asked   uint64
	spent   uint64 // of those, in rounds that were not urgent
	hits    uint64 // that were answered
	trouble bool   // some part has failed
}

// left is how many control probes may be sent at once, after so many probes of the scan.
func (b *budget) left(sent uint64) int {
	share := costShare
	if b.trouble {
		share = troubleShare
	}
	all := uint64(float64(sent) * share)
	all = max(minProbes, all-min(max(perConfirm, all/confirmShare), all))
	return int(all - min(b.spent, all))
}
