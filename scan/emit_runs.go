package scan

import (
	"context"
	"net/netip"
	"slices"
	"sort"

	"onmux/probe"
)

// limitedNote is said of UDP silence that is worth nothing.
const limitedNote = "the host limits its ICMP answers: silence decides nothing"

// teller walks the table when all is over and tells what was not told yet. By
// then nothing else touches the sweep.
type teller struct {
	*sweep
	limited []uint64 // a bit for each address whose UDP silence decides nothing, nil if there is none
}

// tell hands everything but the open endpoints, which were told when they were
// found, to the emitter.
func (s *sweep) tell() {
	t := teller{sweep: s, limited: s.limitedHosts()}
	for port := range s.protos {
		lo := uint64(port) * s.addrs
		for i := lo; i < lo+s.addrs; {
			end := t.same(i, lo+s.addrs)
			if c := s.table.cells[i]; c.asked() && !c.open() {
				t.run(i, end)
			}
			i = end
		}
	}
}

// limitedHosts finds the hosts that refused some UDP ports with an unreachable
// and were asked on more ports than a host refuses without a pause. Whether a
// silent port of theirs is open or its refusal was never sent cannot be told
// apart, however often it is asked.
func (s *sweep) limitedHosts() []uint64 {
	if s.ports[probe.UDP] <= icmpBurst {
		return nil
	}
	var bits []uint64
	for port, p := range s.protos {
		if p != probe.UDP {
			continue
		}
		lo := uint64(port) * s.addrs
		for i, c := range s.table.cells[lo : lo+s.addrs] {
			if c.class() == portUnreach {
				if bits == nil {
					bits = make([]uint64, s.addrs/64+1)
				}
				bits[i/64] |= 1 << (i % 64)
			}
		}
	}
	return bits
}

// undecided reports whether the endpoint's silence decides nothing.
func (t *teller) undecided(i uint64) bool {
	if t.limited == nil || !t.table.cells[i].quiet() || t.proto(i) != probe.UDP {
		return false
	}
	a := i % t.addrs
	return t.limited[a/64]>>(a%64)&1 != 0
}

// same is the end of the run from i of endpoints that have the same verdict for
// the same reason; hi bounds it.
func (t *teller) same(i, hi uint64) uint64 {
	p, first, undecided := t.proto(i), t.table.cells[i], t.undecided(i)
	for j := i + 1; j < hi; j++ {
		c := t.table.cells[j]
		if c != first && !alike(c, first, p) || t.undecided(j) != undecided {
			return j
		}
	}
	return hi
}

// alike reports whether two cells make the same verdict for the same reason.
func alike(a, b cell, p probe.Proto) bool {
	if !a.asked() || !b.asked() {
		return a == b
	}
	return a.reason() == b.reason() && a.state(p) == b.state(p)
}

// run tells the endpoints from lo to hi, which have the same verdict, split
// where their addresses leave a gap.
func (t *teller) run(lo, hi uint64) {
	for lo < hi {
		end := lo + 1
		if !t.All {
			end = t.unbroken(lo, hi)
		}
		t.out.wait(context.Background())
		if end == lo+1 {
			t.out.put(t.single(lo))
		} else {
			t.out.put(t.folded(lo, end))
		}
		lo = end
	}
}

// unbroken is the end of the addresses from lo on that follow each other
// without a gap, in one family and zone; hi bounds it. A plan's addresses only
// grow within a family and zone, so one look at the end is mostly enough.
func (t *teller) unbroken(lo, hi uint64) uint64 {
	zone, first := number(t.Plan.At(lo).Addr)
	follows := func(i uint64) bool {
		z, n := number(t.Plan.At(i).Addr)
		return z == zone && n == first.add(u128{0, i - lo})
	}
	if follows(hi - 1) {
		return hi
	}
	return lo + 1 + uint64(sort.Search(int(hi-lo-1), func(k int) bool { return !follows(lo + 1 + uint64(k)) }))
}

// single is the record of one endpoint, with all that was kept of it.
func (t *teller) single(i uint64) probe.Result {
	var r probe.Result
	c := t.table.cells[i]
	if kept := t.table.details[i]; kept != nil && kept.Reason == c.reason() {
		r = *kept
	}
	if t.undecided(i) {
		r.Notes = append(slices.Clip(r.Notes), limitedNote)
	}
	r = t.judged(i, r)
	r.Error = t.errorOf(i)
	return r
}

// errorOf says why the state of an endpoint is unknown.
func (t *teller) errorOf(i uint64) string {
	c := t.table.cells[i]
	if c.class() != localError {
		return ""
	}
	if c.tries() == 0 && t.short != nil {
		return t.short.Error()
	}
	if kept := t.table.details[i]; kept != nil && kept.Reason == probe.LocalError && kept.Error != "" {
		return kept.Error
	}
	if t.failure != "" {
		return t.failure
	}
	return "this machine could not ask"
}

// folded is the record of the endpoints from lo to hi.
func (t *teller) folded(lo, hi uint64) Range {
	first, c := t.Plan.At(lo), t.table.cells[lo]
	r := Range{
		First: first.Addr, Last: t.Plan.At(hi - 1).Addr, Count: hi - lo,
		Port: first.Port, Proto: first.Proto,
		State: c.state(first.Proto), Reason: c.reason(), Tries: c.tries(),
		Error: t.errorOf(lo),
	}
	for _, c := range t.table.cells[lo:hi] {
		r.Tries = min(r.Tries, c.tries())
	}
	if t.undecided(lo) {
		r.Notes = []string{limitedNote}
	}
	r.Responder = t.responder(lo, hi, c.reason())
	return r
}

// responder is who answered for all the endpoints from lo to hi, if it was the
// same other host and that is known of each of them.
func (t *teller) responder(lo, hi uint64, why probe.Reason) netip.Addr {
	var by netip.Addr
	for i := lo; i < hi; i++ {
		kept := t.table.details[i]
		if kept == nil || kept.Reason != why || !kept.Responder.IsValid() ||
			i > lo && kept.Responder != by {
			return netip.Addr{}
		}
		by = kept.Responder
	}
	if hi-lo == 1 || sameHost(by, t.Plan.At(lo).Addr) {
		return netip.Addr{}
	}
	return by
}
