package report

import (
	"slices"

	"onmux/probe"
	"onmux/report/compact"
	"onmux/report/record"
	"onmux/scan"
)

// sorter writes what a scan found in the order of addresses: records come in the order in
// which answers arrive, and are kept until the end. What is open is before ranges, which
// are by port. The records of other commands are written as they come.
type sorter struct {
	record.Handler
	sorts      bool
	ranges     bool // some came
	found      compact.Store
	open       []bool                     // by number in found
	violations map[int][]record.Violation // by the number of the record before
	others     []record.Violation         // of no record
	last       string                     // the address of the record that came last
}

func newSorter(h record.Handler) *sorter {
	return &sorter{Handler: h, violations: make(map[int][]record.Violation)}
}

// Start finds out whether there is anything to sort.
func (s *sorter) Start(start record.Start) error {
	s.sorts = start.Command == "scan"
	return s.Handler.Start(start)
}

// Endpoint keeps it.
func (s *sorter) Endpoint(r probe.Result) error {
	if !s.sorts {
		return s.Handler.Endpoint(r)
	}
	s.last = r.Addr.String()
	s.open = append(s.open, r.State == probe.Open)
	return s.found.Endpoint(r)
}

// Range keeps it.
func (s *sorter) Range(r scan.Range) error {
	if !s.sorts {
		return s.Handler.Range(r)
	}
	s.last, s.ranges = r.First.String(), true
	s.open = append(s.open, false)
	return s.found.Range(r)
}

// Violation keeps it beside the record that it is of.
func (s *sorter) Violation(v record.Violation) error {
	n := s.found.Len() - 1
	switch {
	case !s.sorts:
		return s.Handler.Violation(v)
	case v.Address != "" && v.Address == s.last:
		s.violations[n] = append(s.violations[n], v)
	default:
		s.others = append(s.others, v)
	}
	return nil
}

// End writes all.
func (s *sorter) End(e record.End) error {
	err := s.write()
	s.found.Close()
	if err != nil {
		return err
	}
	return s.Handler.End(e)
}

func (s *sorter) write() error {
	order := s.found.ByAddress()
	if s.ranges {
		order = slices.DeleteFunc(order, func(i uint32) bool { return !s.open[i] })
		order = append(order, slices.DeleteFunc(s.found.ByPort(), func(i uint32) bool { return s.open[i] })...)
	}
	for _, i := range order {
		item, err := s.found.At(i)
		switch {
		case err != nil:
		case item.Single:
			err = s.Handler.Endpoint(item.Result)
		default:
			err = s.Handler.Range(item.Range())
		}
		if err == nil {
			err = s.violate(s.violations[int(i)])
		}
		if err != nil {
			return err
		}
	}
	return s.violate(s.others)
}

func (s *sorter) violate(all []record.Violation) error {
	for _, v := range all {
		if err := s.Handler.Violation(v); err != nil {
			return err
		}
	}
	return nil
}
