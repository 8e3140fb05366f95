package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/scan"
)

// Bounds of what the table of the dull ones keeps and shows.
const (
	maxSpans  = 1000 // kept for each row
	spanLines = 2    // shown, without --verbose
)

// scanText tells open endpoints as they are found, and all others folded into a
// table at the end.
type scanText struct {
	*printer
	open  uint64
	rows  map[rowKey]*row
	notes map[string]uint64 // by how many findings they stand on
}

// rowKey is what endpoints in one row have in common.
type rowKey struct {
	state  probe.State
	port   probe.Port
	reason probe.Reason
	by     netip.Addr
	error  string
}

type row struct {
	count uint64
	tries int // the fewest
	spans []span
	more  uint64 // spans that were not kept
}

type span struct{ first, last netip.Addr }

func newScanText(p *printer) *scanText {
	return &scanText{printer: p, rows: make(map[rowKey]*row), notes: make(map[string]uint64)}
}

func (t *scanText) finding(f Finding) {
	switch f := f.(type) {
	case probe.Result:
		t.result(f)
	case scan.Range:
		if t.Verbosity == Verbose {
			t.spelled(f)
			return
		}
		key := rowKey{f.State, probe.Port{Number: f.Port, Proto: f.Proto}, f.Reason, f.Responder, f.Error}
		t.fold(key, span{f.First, f.Last}, f.Count, f.Tries, f.Notes)
	}
}

func (t *scanText) result(r probe.Result) {
	if r.State == probe.Open {
		t.open++
	}
	switch {
	case r.State == probe.Open && t.Verbosity == Quiet:
		t.quiet(r)
	case r.State == probe.Open || t.Verbosity == Verbose:
		t.endpoint("", r)
	default:
		key := rowKey{r.State, probe.Port{Number: r.Port, Proto: r.Proto}, r.Reason, r.Responder, r.Error}
		t.fold(key, span{r.Addr, r.Addr}, 1, r.Tries, r.Notes)
	}
}

func (t *scanText) fold(k rowKey, s span, count uint64, tries int, notes []string) {
	r := t.rows[k]
	if r == nil {
		r = &row{tries: tries}
		t.rows[k] = r
	}
	r.count += count
	r.tries = min(r.tries, tries)
	for _, n := range notes {
		t.notes[n] += count
	}
	switch n := len(r.spans); {
	case n > 0 && r.spans[n-1].last.Next() == s.first: // records of --all
		r.spans[n-1].last = s.last
	case n < maxSpans:
		r.spans = append(r.spans, s)
	default:
		r.more++
	}
}

// spelled tells a range on a line of its own.
func (t *scanText) spelled(f scan.Range) {
	state := f.State.String()
	t.line(fmt.Sprintf("%s  %s  %s  %s", pad(short(span{f.First, f.Last}), 15), pad(probe.Port{Number: f.Port, Proto: f.Proto}.String(), 9),
		t.paint(state, state)+blank(13-len(state)), pad(reason(f.Reason, f.Responder, f.Tries), 14)+"  "+grouped(f.Count)+" addresses"))
	if f.Error != "" {
		t.wrap("  ", t.bad(Visible(f.Error)))
	}
	for _, n := range f.Notes {
		t.wrap("  ", t.warn("note: ")+Visible(n))
	}
}

// reason is why, by whom and after how many tries.
func reason(r probe.Reason, by netip.Addr, tries int) string {
	s := r.String()
	if by.IsValid() {
		s += " from " + Visible(by.String())
	}
	if r == probe.NoResponse && tries > 1 {
		s += fmt.Sprintf(" to %d tries", tries)
	}
	return s
}

func (t *scanText) end(e End) {
	if t.open == 0 && t.Verbosity != Verbose {
		t.put("nothing open in " + counted(e.Summary.Targets, "endpoint") + "\n")
	}
	if t.Verbosity == Quiet || len(t.rows) == 0 {
		return
	}
	t.put("\n")
	var rows [][]string
	keys := t.sorted()
	for _, k := range keys {
		r := t.rows[k]
		rows = append(rows, []string{t.paint(k.state.String(), k.state.String()), k.port.String(), grouped(r.count), reason(k.reason, k.by, r.tries), t.list(r)})
	}
	t.table("", []string{"STATE", "PORT", "COUNT", "REASON", "ADDRESSES"}, rows)
	for _, k := range keys {
		if k.error != "" {
			t.wrap("", t.bad(fmt.Sprintf("%s %s: %s", k.port, k.state, Visible(k.error))))
		}
	}
	for _, n := range slices.Sorted(mapKeys(t.notes)) {
		t.wrap("", t.warn("note: ")+Visible(n)+fmt.Sprintf(" (%s)", counted(t.notes[n], "endpoint")))
	}
	t.put("\n")
}

func mapKeys(m map[string]uint64) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (t *scanText) sorted() []rowKey {
	var keys []rowKey
	for k := range t.rows {
		keys = append(keys, k)
	}
	order := probe.States()
	slices.SortFunc(keys, func(a, b rowKey) int {
		return cmp.Or(slices.Index(order, a.state)-slices.Index(order, b.state), cmp.Compare(a.port.Number, b.port.Number),
			cmp.Compare(a.port.Proto, b.port.Proto), cmp.Compare(a.reason, b.reason), a.by.Compare(b.by), cmp.Compare(a.error, b.error))
	})
	return keys
}

// list names as many spans as are read at a glance.
func (t *scanText) list(r *row) string {
	room := spanLines * 40
	if t.Width > 0 {
		room = max(t.Width-50, 16)
	}
	var b strings.Builder
	for i, s := range r.spans {
		word := short(s)
		if left := uint64(len(r.spans)-i) + r.more; i > 0 && b.Len()+len(word)+2 > room-len("and 1,000 more ranges") {
			fmt.Fprintf(&b, ", and %s", counted(left, "more range"))
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(word)
	}
	return b.String()
}

// short is "10.0.0.8-255" where only the last byte differs, and
// "10.0.0.8-10.0.1.7" otherwise.
func short(s span) string {
	if s.first == s.last {
		return Visible(s.first.String())
	}
	if s.first.Is4() {
		a, b := s.first.As4(), s.last.As4()
		if [3]byte(a[:3]) == [3]byte(b[:3]) {
			return fmt.Sprintf("%s-%d", s.first, b[3])
		}
	}
	return Visible(s.first.String() + "-" + s.last.String())
}

func (t *scanText) sum(e End) string {
	s := e.Summary
	line := fmt.Sprintf("%s in %s: %s", counted(s.Targets, "endpoint"), duration(time.Duration(s.Duration)), t.states(stateWords(), s.States))
	if s.Probes == 0 {
		return line
	}
	line += fmt.Sprintf("; %s", counted(s.Probes, "probe"))
	if s.Passes > 1 {
		line += fmt.Sprintf(" in %d passes", s.Passes)
	}
	if s.Loss == nil {
		return line + ", loss not measurable: nobody answered"
	}
	line += ", loss " + percent(*s.Loss)
	if s.ExpectedMissed != nil {
		line += ", " + decimal(*s.ExpectedMissed) + " expected missed"
	}
	return line
}
