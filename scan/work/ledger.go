package work

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"onmux/scan/target"
)

// ledger counts the segments that have an answer, for each queue. It proves in the end that they
// are all positions of the order, each once.
type ledger struct {
	cuts   []uint64
	taken  [][]bool // by queue and segment
	left   int      // segments without an answer, of all queues
	partly map[answerKey]*gathered
}

// answerKey names one worker's answer to one delivery of a segment.
type answerKey struct {
	queue, segment, try int
	worker              string
}

func newLedger(cuts []uint64, queues int) *ledger {
	l := &ledger{cuts: cuts, partly: make(map[answerKey]*gathered), left: queues * (len(cuts) - 1)}
	for range queues {
		l.taken = append(l.taken, make([]bool, len(cuts)-1))
	}
	return l
}

// add adds a chunk of an answer, and returns the answer if it is the first to its segment that is
// whole. reject must be called if it turns out to be none.
func (l *ledger) add(queue int, c *chunk) (body []byte, first bool) {
	if l.taken[queue][c.segment] {
		return nil, false
	}
	key := answerKey{queue, c.segment, c.try, c.worker}
	if l.partly[key] == nil {
		l.partly[key] = new(gathered)
	}
	body, whole := l.partly[key].add(c)
	if !whole {
		return nil, false
	}
	for k := range l.partly {
		if k.queue == queue && k.segment == c.segment {
			delete(l.partly, k)
		}
	}
	l.taken[queue][c.segment] = true
	l.left--
	return body, true
}

// reject takes back that a segment has an answer.
func (l *ledger) reject(queue, segment int) {
	l.taken[queue][segment] = false
	l.left++
}

// endpoints is how many positions of a queue have an answer.
func (l *ledger) endpoints(queue int) (n uint64) {
	for i, taken := range l.taken[queue] {
		if taken {
			n += l.cuts[i+1] - l.cuts[i]
		}
	}
	return n
}

// proof is an error unless the segments of a queue that have an answer are disjoint and all of n
// positions.
func (l *ledger) proof(queue int, n uint64) error {
	var all []target.Shard
	for i, taken := range l.taken[queue] {
		if taken {
			all = append(all, target.Segment(l.cuts[i], l.cuts[i+1]))
		}
	}
	slices.SortFunc(all, func(a, b target.Shard) int { return cmp.Compare(a.Lo, b.Lo) })
	at := uint64(0)
	for _, s := range all {
		switch {
		case s.Lo < at:
			return fmt.Errorf("position %d is in two segments", s.Lo)
		case s.Lo > at:
			return fmt.Errorf("no segment has position %d", at)
		}
		at = s.Hi
	}
	if at != n {
		return errors.New("the last segment has no answer")
	}
	return nil
}
