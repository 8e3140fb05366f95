package scan_test

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/checkpoint"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
	"onmux/scan/target"
	"onmux/scan/verdict"
)

// scanSegment scans the positions from lo up to and without hi, and returns what is known of them
// after it was encoded and decoded.
func scanSegment(t *testing.T, c scan.Config, lo, hi uint64) *checkpoint.Part {
	t.Helper()
	var part checkpoint.Part
	c.Shard, c.Part = target.Segment(lo, hi), &part
	var open []checkpoint.Answer
	o, err := scan.Run(t.Context(), c, func(f scan.Finding) error {
		r := f.(probe.Result)
		i, _ := c.Plan.Index(r.Endpoint)
		open = append(open, checkpoint.Answer{Index: i, Result: &r})
		return nil
	})
	if err != nil || !o.Complete || o.Targets != hi-lo {
		t.Fatalf("from %d to %d: %+v, %v", lo, hi, o, err)
	}
	part.Answers = append(part.Answers, open...)
	var b bytes.Buffer
	if err := part.Encode(&b, c.Plan); err != nil {
		t.Fatal(err)
	}
	got, err := checkpoint.DecodePart(&b, c.Plan, target.NewOrder(c.Plan.Len(), c.Seed), lo, hi)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestWholeIsOneScan: the segments of a scan, in any order, make the findings of one scan.
func TestWholeIsOneScan(t *testing.T) {
	t.Parallel()
	forbidden := netip.MustParsePrefix("10.0.1.128/26")
	allow := func(a netip.Addr) error {
		if forbidden.Contains(a) {
			return errors.New("not allowed")
		}
		return nil
	}
	for _, all := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			config := func() scan.Config {
				return scan.Config{
					Plan: scantest.NewPlan(t, both, "10.0.0.0/22"), Seed: 7, Retries: 3, All: all, Allow: allow,
					Engine: simnet.New(simnet.Config{Host: mixed, KnowsTry: true, MeasureRTT: true}),
				}
			}
			one := scantest.Run(t.Context(), config())
			one.RequireComplete(t)
			plan := config().Plan
			whole := scan.NewWhole(plan, 7)
			var got []scan.Finding
			for _, cut := range [][2]uint64{{1000, 1001}, {1001, 2048}, {0, 300}, {300, 1000}} {
				open, err := whole.Add(scanSegment(t, config(), cut[0], cut[1]))
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range open {
					got = append(got, r)
				}
			}
			if _, err := whole.Add(scanSegment(t, config(), 299, 301)); err == nil {
				t.Error("positions that are known are taken twice")
			}
			if err := whole.Emit(all, func(f scan.Finding) error { got = append(got, f); return nil }); err != nil {
				t.Fatal(err)
			}
			requireSame(t, got, one.Findings)
			states := make(map[string]uint64)
			if n := whole.Count(states); n != plan.Len() || !reflect.DeepEqual(states, one.States) {
				t.Errorf("%d endpoints %v, not %v", n, states, one.States)
			}
			for e, r := range one.Results(t) {
				if forbidden.Contains(e.Addr) != (r.Error == "not allowed") || forbidden.Contains(e.Addr) && r.Tries > 0 {
					t.Errorf("%v is %+v", e, r)
				}
			}
		})
	}
}

// requireSame fails the test if the findings differ in more than the order of open endpoints and
// in which try was made last.
func requireSame(t *testing.T, got, want []scan.Finding) {
	t.Helper()
	sorted := func(all []scan.Finding) (open, rest []scan.Finding) {
		for _, f := range all {
			switch r := f.(type) {
			case probe.Result:
				r.RTT, r.Tries = 0, 0
				if r.State == probe.Open {
					open = append(open, r)
					continue
				}
				f = r
			case scan.Range:
				r.Tries = 0
				f = r
			}
			rest = append(rest, f)
		}
		slices.SortFunc(open, func(a, b scan.Finding) int {
			return strings.Compare(a.(probe.Result).Endpoint.String(), b.(probe.Result).Endpoint.String())
		})
		return open, rest
	}
	open, rest := sorted(got)
	wantOpen, wantRest := sorted(want)
	if !reflect.DeepEqual(open, wantOpen) || !reflect.DeepEqual(rest, wantRest) {
		t.Errorf("got\n%v\n%v\nwant\n%v\n%v", open, rest, wantOpen, wantRest)
	}
}

// TestSilenceIsSmall: a silent segment takes a few bytes, and one in which verdicts change at every
// position two an endpoint at most.
func TestSilenceIsSmall(t *testing.T) {
	t.Parallel()
	plan := scantest.NewPlan(t, []probe.Port{tcp417}, "10.0.0.0/12")
	silent := &checkpoint.Part{Cells: slices.Repeat([]verdict.Cell{verdict.CellOf(verdict.Silence, 2)}, 1<<20)}
	mixed := &checkpoint.Part{Cells: slices.Clone(silent.Cells)}
	for i := range mixed.Cells {
		if i%2 == 0 {
			mixed.Cells[i] = verdict.CellOf(verdict.Reset, 1)
		}
	}
	for part, most := range map[*checkpoint.Part]int{silent: 64, mixed: 2 << 20} {
		var b bytes.Buffer
		if err := part.Encode(&b, plan); err != nil || b.Len() > most {
			t.Errorf("%d bytes, %v: the most is %d", b.Len(), err, most)
		}
	}
}

// FuzzPart: whatever arrives, decoding it makes a part that a scan can have made, or an error.
func FuzzPart(f *testing.F) {
	plan := scantest.NewPlan(f, both, "10.0.0.0/28")
	order := target.NewOrder(plan.Len(), 7)
	part := &checkpoint.Part{From: 4, Cells: []verdict.Cell{
		verdict.CellOf(verdict.Silence, 2), verdict.CellOf(verdict.PortUnreachByOther, 1),
		verdict.CellOf(verdict.LocalError, 0),
	}}
	part.Remark(6, "", "no route")
	part.Answers = []checkpoint.Answer{{Index: order.Index(5), Result: &probe.Result{Reason: probe.PortUnreach}}}
	var b bytes.Buffer
	if err := part.Encode(&b, plan); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := checkpoint.DecodePart(bytes.NewReader(data), plan, order, 4, 7)
		if err != nil {
			return
		}
		whole := scan.NewWhole(plan, 7)
		if _, err := whole.Add(got); err != nil {
			t.Fatal(err)
		}
		states := make(map[string]uint64)
		if n := whole.Count(states); n != 3 {
			t.Fatalf("%d of 3 endpoints: %v", n, states)
		}
		if err := whole.Emit(true, func(scan.Finding) error { return nil }); err != nil {
			t.Fatal(err)
		}
	})
}
