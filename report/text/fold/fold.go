package fold

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

// Table collects records that agree, as far as a table of them needs.
type Table struct {
	rows    map[key]*Row
	remarks []Remark
	loose   int                         // addresses of all rows
	open    map[probe.Port][]netip.Addr // endpoints that have lines of their own
}

// key is what the records of a row have in common.
type key struct {
	State      probe.State
	Reason     probe.Reason
	proto      probe.Proto
	port       uint16
	everywhere bool // open, as every port of the host is
}

// Row is the records with one key.
type Row struct {
	key
	ports     []probe.Port // set when rows of the same addresses are joined
	reasons   []string     // likewise
	but       bool         // the runs have addresses that have lines of their own
	Count     uint64
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

// Remark is a note or an error that came with so many endpoints.
type Remark struct {
	Kind, Text string
	Count      uint64
}

// Add adds a range.
func (f *Table) Add(r scan.Range) {
	row := f.row(key{State: r.State, Reason: r.Reason, proto: r.Proto, port: r.Port}, r)
	limit := maxKept
	if len(f.rows) > fewRows {
		limit = fewKept
	}
	row.extend(run{r.First, r.Last}, limit)
}

// AddLoose adds one endpoint of those on hosts that answer on every port. They come
// as they are found, and their addresses are put in order at the end.
func (f *Table) AddLoose(r probe.Result) {
	row := f.row(key{r.State, r.Reason, r.Proto, r.Port, true}, record.Single(r))
	if f.loose++; f.loose > maxLoose {
		row.lost++
		return
	}
	row.loose = append(row.loose, r.Addr)
}

// row is the one of a key, with what r has beside its addresses.
func (f *Table) row(k key, r scan.Range) *Row {
	if f.rows == nil {
		f.rows = make(map[key]*Row)
	}
	row := f.rows[k]
	if row == nil {
		row = &Row{key: k, least: r.Tries, responder: r.Responder}
		f.rows[k] = row
	}
	if row.responder != r.Responder {
		row.responder = netip.Addr{}
	}
	row.Count += r.Count
	row.least, row.most = min(row.least, r.Tries), max(row.most, r.Tries)
	for _, n := range r.Notes {
		f.Remark("note", n, r.Count)
	}
	if r.Error != "" {
		f.Remark("error", r.Error, r.Count)
	}
	return row
}

// settle puts loose addresses in order.
func (r *Row) settle() {
	slices.SortFunc(r.loose, netip.Addr.Compare)
	for _, a := range r.loose {
		r.extend(run{a, a}, maxKept)
	}
	r.runs += r.lost
	r.loose, r.lost = nil, 0
}

// extend adds a run, joined to the one before if they touch.
func (r *Row) extend(with run, limit int) {
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

// Remark adds a remark on so many endpoints.
func (f *Table) Remark(kind, text string, count uint64) {
	for i := range f.remarks {
		if f.remarks[i].Kind == kind && f.remarks[i].Text == text {
			f.remarks[i].Count += count
			return
		}
	}
	if len(f.remarks) < maxRemarks {
		f.remarks = append(f.remarks, Remark{kind, text, count})
	}
}

// Found notes an endpoint that has a line of its own.
func (f *Table) Found(e probe.Endpoint) {
	if f.open == nil {
		f.open = make(map[probe.Port][]netip.Addr)
	}
	p := probe.Port{Number: e.Port, Proto: e.Proto}
	f.open[p] = append(f.open[p], e.Addr)
}

// cover makes one run of runs between which there is nothing but addresses that have lines
// of their own, so that ports become alike that differ only in those.
func (r *Row) cover(open []netip.Addr) {
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

// ForgetFound forgets which endpoints have lines of their own.
func (f *Table) ForgetFound() { f.open = nil }

// Remarks are the first that came.
func (f *Table) Remarks() []Remark { return f.remarks }

// Empty reports whether there are no rows.
func (f *Table) Empty() bool { return len(f.rows) == 0 }

// Rows are the largest rows, in the order in which they are written, and what the others add up to.
func (f *Table) Rows() (kept []*Row, left, endpoints uint64) { return largest(f.joined()) }

// joined are the rows in the order in which they are written; those of the same addresses
// in the same state are one.
func (f *Table) joined() []*Row {
	all := make([]*Row, 0, len(f.rows))
	for _, r := range f.rows {
		r.settle()
		r.cover(f.open[probe.Port{Number: r.port, Proto: r.proto}])
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *Row) int {
		return cmp.Or(slices.Index(probe.States(), a.State)-slices.Index(probe.States(), b.State),
			cmp.Compare(a.proto, b.proto), cmp.Compare(a.port, b.port), cmp.Compare(a.Reason, b.Reason),
			cmp.Compare(a.why(), b.why()))
	})
	var out []*Row
	same := make(map[string]*Row)
	for _, r := range all {
		signature := fmt.Sprint(r.State, r.everywhere, r.kept, r.runs, r.responder)
		if uint64(len(r.kept)) != r.runs {
			signature += fmt.Sprint(r.Count)
		}
		first := same[signature]
		if first == nil {
			first = r
			same[signature] = r
			out = append(out, r)
		} else {
			first.Count += r.Count
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
func largest(rows []*Row) (kept []*Row, left, endpoints uint64) {
	if len(rows) <= maxRows {
		return rows, 0, 0
	}
	bySize := slices.Clone(rows)
	slices.SortStableFunc(bySize, func(a, b *Row) int { return cmp.Compare(b.Count, a.Count) })
	for _, r := range bySize[maxRows:] {
		left++
		endpoints += r.Count
	}
	least := bySize[:maxRows]
	return slices.DeleteFunc(
		slices.Clone(rows),
		func(r *Row) bool { return !slices.Contains(least, r) },
	), left, endpoints
}

// Ports is "22,80/tcp 53/udp", "417/tcp,udp", "1-416,418-1024/tcp" or "998 ports/tcp".
func (r *Row) Ports() string {
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

// Why is the reasons, each with how many tries had no answer, and who answered for others.
func (r *Row) Why() string { return strings.Join(r.reasons, ", ") }

// why is the reason, how many tries had no answer, and who answered for others.
func (r *Row) why() string {
	s := r.Reason.String()
	switch {
	case r.Reason != probe.NoResponse || r.most == 0:
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

// Addresses are the addresses, as many as fit in listLines lines of so many columns.
func (r *Row) Addresses(room int) string {
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
