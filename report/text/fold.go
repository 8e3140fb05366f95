package text

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// Bounds of what a folded table keeps and shows; counts go on beyond them.
const (
	fewRows    = 256 // up to so many rows keep maxKept ranges each, the others fewKept
	maxKept    = 64
	fewKept    = 4
	maxLoose   = 65536 // addresses that come in no order
	maxRows    = 10
	maxRemarks = 12
	listLines  = 3 // lines that the addresses of a row may take
)

// fold collects records that agree, as far as a table of them needs.
type fold struct {
	rows    map[foldKey]*foldRow
	remarks []remark
	loose   int                         // addresses of all rows
	open    map[probe.Port][]netip.Addr // endpoints that have lines of their own
}

type foldKey struct {
	state      probe.State
	reason     probe.Reason
	proto      probe.Proto
	port       uint16
	everywhere bool // open, as every port of the host is
}

type foldRow struct {
	foldKey
	ports     []probe.Port // set when rows of the same addresses are joined
	reasons   []string     // likewise
	but       bool         // the runs have addresses that have lines of their own
	count     uint64
	kept      []run
	runs      uint64 // kept or not
	end       netip.Addr
	least     int // tries
	most      int
	responder netip.Addr // the one behind all, if there is one
	loose     []netip.Addr
	lost      uint64 // more of those
}

// run is a run of neighboring addresses.
type run struct{ first, last netip.Addr }

// remark is a note or an error that came with so many endpoints.
type remark struct {
	kind, text string
	count      uint64
}

func (f *fold) add(r scan.Range) {
	row := f.row(foldKey{state: r.State, reason: r.Reason, proto: r.Proto, port: r.Port}, r)
	limit := maxKept
	if len(f.rows) > fewRows {
		limit = fewKept
	}
	row.extend(run{r.First, r.Last}, limit)
}

// addLoose adds one endpoint of those on hosts that answer on every port. They come
// as they are found, and their addresses are put in order at the end.
func (f *fold) addLoose(r probe.Result) {
	row := f.row(foldKey{r.State, r.Reason, r.Proto, r.Port, true}, record.Single(r))
	if f.loose++; f.loose > maxLoose {
		row.lost++
		return
	}
	row.loose = append(row.loose, r.Addr)
}

// row is the one of a key, with what r has beside its addresses.
func (f *fold) row(key foldKey, r scan.Range) *foldRow {
	if f.rows == nil {
		f.rows = make(map[foldKey]*foldRow)
	}
	row := f.rows[key]
	if row == nil {
		row = &foldRow{foldKey: key, least: r.Tries, responder: r.Responder}
		f.rows[key] = row
	}
	if row.responder != r.Responder {
		row.responder = netip.Addr{}
	}
	row.count += r.Count
	row.least, row.most = min(row.least, r.Tries), max(row.most, r.Tries)
	for _, n := range r.Notes {
		f.remark("note", n, r.Count)
	}
	if r.Error != "" {
		f.remark("error", r.Error, r.Count)
	}
	return row
}

// settle puts loose addresses in order.
func (r *foldRow) settle() {
	slices.SortFunc(r.loose, netip.Addr.Compare)
	for _, a := range r.loose {
		r.extend(run{a, a}, maxKept)
	}
	r.runs += r.lost
	r.loose, r.lost = nil, 0
}

// extend adds a run, joined to the one before if they touch.
func (r *foldRow) extend(with run, limit int) {
	touches := r.end.IsValid() && r.end.Next() == with.first
	r.end = with.last
	switch {
	case touches && uint64(len(r.kept)) == r.runs:
		r.kept[len(r.kept)-1].last = with.last
	case touches:
	case len(r.kept) < limit && uint64(len(r.kept)) == r.runs:
		r.kept = append(r.kept, with)
		r.runs++
	default:
		r.runs++
	}
}

func (f *fold) remark(kind, text string, count uint64) {
	for i := range f.remarks {
		if f.remarks[i].kind == kind && f.remarks[i].text == text {
			f.remarks[i].count += count
			return
		}
	}
	if len(f.remarks) < maxRemarks {
		f.remarks = append(f.remarks, remark{kind, text, count})
	}
}

// found notes an endpoint that has a line of its own.
func (f *fold) found(e probe.Endpoint) {
	if f.open == nil {
		f.open = make(map[probe.Port][]netip.Addr)
	}
	p := probe.Port{Number: e.Port, Proto: e.Proto}
	f.open[p] = append(f.open[p], e.Addr)
}

// cover makes one run of runs between which there is nothing but addresses that have lines
// of their own, so that ports become alike that differ only in those.
func (r *foldRow) cover(open []netip.Addr) {
	if r.everywhere || uint64(len(r.kept)) != r.runs {
		return
	}
	own := make(map[netip.Addr]bool, len(open))
	for _, a := range open {
		own[a] = true
	}
	var out []run
	for _, k := range r.kept {
		for own[k.first.Prev()] {
			k.first, r.but = k.first.Prev(), true
		}
		for own[k.last.Next()] {
			k.last, r.but = k.last.Next(), true
		}
		if n := len(out); n > 0 && out[n-1].last.Compare(k.first.Prev()) >= 0 {
			out[n-1].last = k.last
			continue
		}
		out = append(out, k)
	}
	r.kept, r.runs = out, uint64(len(out))
}

// joined are the rows in the order in which they are written; those of the same addresses
// in the same state are one.
func (f *fold) joined() []*foldRow {
	all := make([]*foldRow, 0, len(f.rows))
	for _, r := range f.rows {
		r.settle()
		r.cover(f.open[probe.Port{Number: r.port, Proto: r.proto}])
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *foldRow) int {
		return cmp.Or(slices.Index(probe.States(), a.state)-slices.Index(probe.States(), b.state),
			cmp.Compare(a.proto, b.proto), cmp.Compare(a.port, b.port), cmp.Compare(a.reason, b.reason),
			cmp.Compare(a.why(), b.why()))
	})
	var out []*foldRow
	same := make(map[string]*foldRow)
	for _, r := range all {
		signature := fmt.Sprint(r.state, r.everywhere, r.kept, r.runs, r.responder)
		if uint64(len(r.kept)) != r.runs {
			signature += fmt.Sprint(r.count)
		}
		first := same[signature]
		if first == nil {
			first = r
			same[signature] = r
			out = append(out, r)
		} else {
			first.count += r.count
			first.but = first.but || r.but
		}
		first.ports = append(first.ports, probe.Port{Number: r.port, Proto: r.proto})
		if why := r.why(); !slices.Contains(first.reasons, why) {
			first.reasons = append(first.reasons, why)
		}
	}
	return out
}

// largest are the most rows that a table has, those with the most endpoints, and what the
// others add up to.
func largest(rows []*foldRow) (kept []*foldRow, left, endpoints uint64) {
	if len(rows) <= maxRows {
		return rows, 0, 0
	}
	bySize := slices.Clone(rows)
	slices.SortStableFunc(bySize, func(a, b *foldRow) int { return cmp.Compare(b.count, a.count) })
	for _, r := range bySize[maxRows:] {
		left++
		endpoints += r.count
	}
	least := bySize[:maxRows]
	return slices.DeleteFunc(
		slices.Clone(rows),
		func(r *foldRow) bool { return !slices.Contains(least, r) },
	), left, endpoints
}

// end writes, of a scan, whether anything is open, and what the rest is.
func (e *endpoints) end(end record.End) {
	e.rest()
	if e.command != "probe" && e.open == 0 && (e.command == "scan" || len(e.fold.rows) > 0) {
		e.nothing(end.Summary)
	}
	if len(e.fold.rows) > 0 {
		e.apart()
	}
	if rows, more, endpoints := largest(e.fold.joined()); len(rows) > 0 {
		e.table(rows)
		if more > 0 {
			e.line(0, 2, span{fmt.Sprintf("and %s of %s (-v lists every record)", phrase.Count(more, "more row",
				"more rows"), phrase.Count(endpoints, "endpoint", "endpoints")), plain})
		}
	}
	for _, r := range e.fold.remarks {
		st := maybe
		if r.kind == "error" {
			st = wrong
		}
		e.line(0, 2, span{r.kind + ": ", st},
			span{fmt.Sprintf("%s (%s)", phrase.Visible(r.text), phrase.Count(r.count, "endpoint", "endpoints")), plain})
	}
	if len(e.fold.rows) > 0 {
		e.out.WriteByte('\n')
	}
	e.states.draw(len(e.fold.rows) == 0)
}

// nothing writes that nothing is open, or only that nothing was found to be.
func (e *endpoints) nothing(s scan.Summary) {
	sentence := "nothing open"
	if s.NotReached+s.States[probe.OpenFiltered.String()]+s.States[record.Unknown] > 0 || s.Targets == 0 {
		sentence = "nothing found open"
	}
	line := []span{{sentence, strong}, {": " + phrase.Count(s.Targets, "endpoint", "endpoints"), plain}}
	for _, c := range phrase.Tallies(s.States) {
		line = append(line, span{", " + wording.Number(c.Count) + " ", plain}, span{phrase.Visible(c.Word),
			tone(c.Word)})
	}
	e.line(0, 2, line...)
}

func (e *endpoints) table(rows []*foldRow) {
	headings := []heading{
		{name: "STATE"},
		{name: "PORT", soft: true},
		{name: "COUNT", right: true},
		{name: "REASON", soft: true},
		{name: "ADDRESSES"},
	}
	var cells [][]span
	for _, r := range rows {
		st := tone(r.state.String())
		if r.reason == probe.NoNeighbor {
			st = faint
		}
		cells = append(cells, []span{{r.state.String(), st}, {r.portList(), plain}, {wording.Number(r.count), plain},
			{strings.Join(r.reasons, ", "), plain}, {}})
	}
	room := 100
	if e.width > 0 {
		if room = e.last(0, headings, soften(headings, cells)); room < narrowed {
			room = e.width - gutter
		}
	}
	for i, c := range cells {
		c[len(c)-1].text = rows[i].list(room)
	}
	e.grid(0, headings, cells)
}

// portList is "22,80/tcp 53/udp", "417/tcp,udp", "1-416,418-1024/tcp" or "998 ports/tcp".
func (r *foldRow) portList() string {
	var parts []string
	last := "" // the list of the last part
	for _, proto := range probe.Protos() {
		var numbers []uint16
		for _, p := range r.ports {
			if p.Proto == proto {
				numbers = append(numbers, p.Number)
			}
		}
		list := phrase.Ranges(numbers)
		switch {
		case list == "":
			continue
		case list == last:
			parts[len(parts)-1] += "," + proto.String()
			continue
		}
		last = list
		if len(list) > 20 {
			list = wording.Number(uint64(len(numbers))) + phrase.NoBreak + "ports"
		}
		parts = append(parts, list+"/"+proto.String())
	}
	return strings.Join(parts, " ")
}

// why is the reason, how many tries had no answer, and who answered for others.
func (r *foldRow) why() string {
	s := r.reason.String()
	switch {
	case r.reason != probe.NoResponse || r.most == 0:
	case r.least == r.most:
		s += " after " + phrase.Count(uint64(r.most), "try", "tries")
	default:
		s += fmt.Sprintf(" after %d-%d tries", r.least, r.most)
	}
	if r.responder.IsValid() {
		s += " from " + phrase.Visible(r.responder.String())
	}
	if r.everywhere {
		s += phrase.AsEverywhere
	}
	return s
}

// list is the addresses, as many as fit in listLines lines of so many columns.
func (r *foldRow) list(room int) string {
	const more = "and 999,999,999 more ranges (-v lists all)"
	var b strings.Builder
	for i, k := range r.kept {
		part := phrase.Addresses(k.first, k.last)
		left := listLines*room - b.Len() - len(part)
		if i > 0 && (left < 0 || r.runs > uint64(i)+1 && left < len(more)) {
			return b.String() + " and " + phrase.Count(r.runs-uint64(i), "more range", "more ranges") +
				" (-v lists all)"
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(part)
		if uint64(i)+1 < r.runs {
			b.WriteByte(',')
		}
	}
	if r.but {
		b.WriteString(phrase.ButOwnLines)
	}
	if n := r.runs - uint64(len(r.kept)); n > 0 {
		b.WriteString(" and " + phrase.Count(n, "more range", "more ranges") + " (-v lists all)")
	}
	return b.String()
}
