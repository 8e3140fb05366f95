package work

import (
	"slices"
	"testing"

	"onmux/probe"
	"onmux/scan/checkpoint"
	"onmux/scan/scantest"
	"onmux/scan/verdict"
)

// TestStoreOfSilence: what a silent /8 takes at the server is far below two bytes an endpoint: its
// request, its segments and its answers.
func TestStoreOfSilence(t *testing.T) {
	t.Parallel()
	r := request(t)
	r.Plan = scantest.NewPlan(t, []probe.Port{port}, "10.0.0.0/8")
	r.Cuts = divide(r.Plan.Len(), []float64{1e4, 1e4, 1e4, 1e4})
	encoded, err := r.Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	bytes := len(encoded)
	for n := range r.Segments() {
		s := r.Segment(n)
		silent := slices.Repeat([]verdict.Cell{verdict.CellOf(verdict.Silence, 2)}, int(size(s)))
		body, err := encodeAnswer(answerHead{}, &checkpoint.Part{From: s.Lo, Cells: silent}, r.Plan)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range split(chunk{zone: "a", segment: n, try: 1, worker: newWorkerID()}, body) {
			bytes += len(c.encode()) + len(c.id(r.ID))
		}
	}
	t.Logf("%d bytes in %d segments", bytes, r.Segments())
	if most := r.Plan.Len() / 1000; uint64(bytes) > most {
		t.Errorf("%d bytes: the most is %d", bytes, most)
	}
}
