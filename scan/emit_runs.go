package scan

import (
	"context"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/scan/target"
)

// tell hands everything but the open endpoints, which were told when they were
// found, to the emitter. By then nothing else touches the sweep.
func (s *sweep) tell() {
	s.limited = s.findLimited()
	for port := range s.protos {
		lo := uint64(port) * s.addrs
		for i := lo; i < lo+s.addrs; {
			end := s.alike(i, lo+s.addrs)
			if c := s.table.cells[i]; c.asked() && !c.open() {
				s.tellRun(i, end)
			}
			i = end
		}
	}
}

// alike is the end of the run from i of endpoints that have the same verdict for
// the same reason; hi bounds it.
func (s *sweep) alike(i, hi uint64) uint64 {
	p, first, undecided := s.proto(i), s.table.cells[i], s.undecided(i)
	for j := i + 1; j < hi; j++ {
		c := s.table.cells[j]
		if c != first && !c.like(first, p) || s.undecided(j) != undecided {
			return j
		}
	}
	return hi
}

// tellRun tells the endpoints from lo to hi, which have the same verdict, split
// where their addresses leave a gap.
func (s *sweep) tellRun(lo, hi uint64) {
	for lo < hi {
		end := lo + 1
		if !s.All {
			end = min(hi, lo+s.Plan.Neighbours(lo))
		}
		s.out.wait(context.Background())
		if end == lo+1 {
			s.out.put(s.single(lo))
		} else {
			s.out.put(s.folded(lo, end))
		}
		lo = end
	}
}

// single is the record of one endpoint, with all that was kept of it.
func (s *sweep) single(i uint64) probe.Result {
	var r probe.Result
	c := s.table.cells[i]
	if kept := s.table.details[i]; kept != nil && kept.Reason == c.reason() {
		r = *kept
	}
	if note := s.undecided(i); note != "" {
		r.Notes = append(slices.Clip(r.Notes), note)
	}
	r = s.judged(i, r)
	r.Error = s.errorOf(i)
	return r
}

// errorOf says why the state of an endpoint is unknown.
func (s *sweep) errorOf(i uint64) string {
	c := s.table.cells[i]
	if c.class() != localError {
		return ""
	}
	if c.tries() == 0 && s.short != nil {
		return s.short.Error()
	}
	if kept := s.table.details[i]; kept != nil && kept.Reason == probe.LocalError && kept.Error != "" {
		return kept.Error
	}
	if s.failure != "" {
		return s.failure
	}
	return "this machine could not ask"
}

// folded is the record of the endpoints from lo to hi.
func (s *sweep) folded(lo, hi uint64) Range {
	first, c := s.Plan.At(lo), s.table.cells[lo]
	r := Range{
		First: first.Addr, Last: s.Plan.At(hi - 1).Addr, Count: hi - lo,
		Port: first.Port, Proto: first.Proto,
		State: c.state(first.Proto), Reason: c.reason(), Tries: c.tries(),
		Error: s.errorOf(lo),
	}
	for _, c := range s.table.cells[lo:hi] {
		r.Tries = min(r.Tries, c.tries())
	}
	if note := s.undecided(lo); note != "" {
		r.Notes = []string{note}
	}
	r.Responder = s.responder(lo, hi, c.reason())
	return r
}

// responder is who answered for all the endpoints from lo to hi, if it was the
// same other host and that is known of each of them.
func (s *sweep) responder(lo, hi uint64, why probe.Reason) netip.Addr {
	var by netip.Addr
	for i := lo; i < hi; i++ {
		kept := s.table.details[i]
		if kept == nil || kept.Reason != why || !kept.Responder.IsValid() ||
			i > lo && kept.Responder != by {
			return netip.Addr{}
		}
		by = kept.Responder
	}
	if hi-lo == 1 || target.SameHost(by, s.Plan.At(lo).Addr) {
		return netip.Addr{}
	}
	return by
}
