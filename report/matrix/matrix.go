package matrix

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/report/record"
	"onmux/scan"
)

// View is what a zone found of an endpoint.
type View struct {
	Asked  bool         // false: the zone has no record of it
	Result probe.Result // without address, port, zone and round-trip time
}

// String is "open ssh", "filtered", or "-" where the zone has no record.
func (v View) String() string {
	switch {
	case !v.Asked:
		return "-"
	case v.Service() != "":
		return v.Result.State.String() + " " + v.Service()
	}
	return v.Result.State.String()
}

// Service is the name of a service that was recognized.
func (v View) Service() string {
	if s := v.Result.Service; s != nil && s.Name != record.Unknown {
		return s.Name
	}
	return ""
}

// known reports whether the zone found out the state.
func (v View) known() bool { return v.Asked && v.Result.State != probe.Unknown }

// Agreement is whether the zones have the same view, in the order of reports.
type Agreement int

// The kinds of Agreement.
const (
	Differ  Agreement = iota // two zones found different states or services
	Unknown                  // those that know the state agree, and others do not know it
	Same
)

// agreement compares views.
func agreement(views []View) Agreement {
	out := Same
	var first *View // that knows the state
	service := ""
	for i, v := range views {
		switch {
		case !v.known():
			out = Unknown
			continue
		case first == nil:
			first = &views[i]
		case v.Result.State != first.Result.State:
			return Differ
		}
		if name := v.Service(); name != "" && service != "" && name != service {
			return Differ
		}
		service = cmp.Or(service, v.Service())
	}
	return out
}

// Row is neighboring addresses on one port.
type Row struct {
	First, Last netip.Addr
	Count       uint64
	Port        probe.Port
	Views       []View // in the order of Zones
	Agreement   Agreement
}

// Matrix collects the records of a scan from several zones. The zero value is empty. Not for
// concurrent use.
type Matrix struct {
	zones  []string
	views  []View
	ids    map[string]int32 // of views, by what makes them alike
	pieces map[section][][]piece
}

// section is what is swept by itself: a port, and the scope of link-local addresses.
type section struct {
	port  probe.Port
	scope string
}

// piece is a run of addresses that have a view.
type piece struct {
	first, last netip.Addr
	view        int32
}

// none is the view of a zone that has no record.
const none = -1

// Empty reports whether no zone is known.
func (m *Matrix) Empty() bool { return len(m.zones) == 0 }

// Zones are the names of the zones, in their order once Rows was called.
func (m *Matrix) Zones() []string { return m.zones }

// Zone adds a zone, which may have no records.
func (m *Matrix) Zone(name string) { m.index(name) }

func (m *Matrix) index(zone string) int {
	i := slices.Index(m.zones, zone)
	if i < 0 {
		i = len(m.zones)
		m.zones = append(m.zones, zone)
	}
	return i
}

// Endpoint adds what a zone found of one.
func (m *Matrix) Endpoint(r probe.Result) { m.add(r, r.Addr) }

// Range adds what a zone found of all its addresses.
func (m *Matrix) Range(r scan.Range) { m.add(record.At(r, r.First), r.Last) }

func (m *Matrix) add(r probe.Result, last netip.Addr) {
	zone := m.index(r.Zone)
	if !r.Addr.IsValid() {
		return // a name without an address
	}
	if last.BitLen() != r.Addr.BitLen() || last.Less(r.Addr) {
		last = r.Addr
	}
	p := piece{first: r.Addr, last: last}
	s := section{probe.Port{Number: r.Port, Proto: r.Proto}, r.Addr.Zone()}
	r.Addr, r.Port, r.Zone, r.RTT = netip.Addr{}, 0, "", 0
	p.view = m.intern(r)
	if m.pieces == nil {
		m.pieces = make(map[section][][]piece)
	}
	lists := m.pieces[s]
	for len(lists) <= zone {
		lists = append(lists, nil)
	}
	lists[zone] = append(lists[zone], p)
	m.pieces[s] = lists
}

// intern is the number of a view. Views that are alike in all that a row shows have one.
func (m *Matrix) intern(r probe.Result) int32 {
	key := fmt.Sprint(r.State, r.Reason, r.Proto, r.Names(), r.Notes, r.Error, r.IsDecoy())
	if s := r.Service; s != nil {
		key += fmt.Sprint(s.Name, s.Product, s.Version)
	}
	id, ok := m.ids[key]
	if !ok {
		if m.ids == nil {
			m.ids = make(map[string]int32)
		}
		id = int32(len(m.views))
		m.ids[key] = id
		m.views = append(m.views, View{Asked: true, Result: r})
	}
	return id
}

// Rows are the rows, those on which zones differ first, then by address and port.
func (m *Matrix) Rows() []Row {
	order := m.sortZones()
	var rows []Row
	for s, lists := range m.pieces {
		sorted := make([][]piece, len(m.zones))
		for i, from := range order {
			if from < len(lists) {
				sorted[i] = apart(lists[from])
			}
		}
		rows = m.sweep(rows, s.port, sorted)
	}
	m.pieces = nil
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Agreement, b.Agreement), a.First.Compare(b.First),
			cmp.Compare(a.Port.Proto, b.Port.Proto), cmp.Compare(a.Port.Number, b.Port.Number))
	})
	return rows
}

// sortZones sorts the zones by name, and returns where each was.
func (m *Matrix) sortZones() []int {
	order := make([]int, len(m.zones))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(m.zones[a], m.zones[b]) })
	names := make([]string, len(order))
	for i, from := range order {
		names[i] = m.zones[from]
	}
	m.zones = names
	return order
}

// apart sorts pieces by address. Where two have an address, the first of them counts.
func apart(all []piece) []piece {
	slices.SortStableFunc(all, func(a, b piece) int { return a.first.Compare(b.first) })
	out := all[:0]
	for _, p := range all {
		if n := len(out); n > 0 && !out[n-1].last.Less(p.first) {
			if !out[n-1].last.Less(p.last) {
				continue
			}
			p.first = out[n-1].last.Next()
		}
		out = append(out, p)
	}
	return out
}

// sweep adds the rows of a port. It goes from one address at which a view changes to the next; lists
// has the pieces of each zone, which do not overlap.
func (m *Matrix) sweep(rows []Row, port probe.Port, lists [][]piece) []Row {
	var before []int32 // views of the last row
	for {
		var first, last netip.Addr
		for _, l := range lists {
			if len(l) > 0 && (!first.IsValid() || l[0].first.Less(first)) {
				first = l[0].first
			}
		}
		if !first.IsValid() {
			return rows
		}
		views := make([]int32, len(lists))
		for i, l := range lists {
			views[i] = none
			end := netip.Addr{}
			switch {
			case len(l) == 0:
				continue
			case l[0].first == first:
				views[i], end = l[0].view, l[0].last
			default:
				end = l[0].first.Prev()
			}
			if end.IsValid() && (!last.IsValid() || end.Less(last)) {
				last = end
			}
		}
		for i, l := range lists {
			switch {
			case views[i] == none:
			case l[0].last == last:
				lists[i] = l[1:]
			default:
				l[0].first = last.Next()
			}
		}
		if n := len(rows); before != nil && slices.Equal(before, views) && rows[n-1].Last.Next() == first {
			rows[n-1].Last, rows[n-1].Count = last, rows[n-1].Count+count(first, last)
			continue
		}
		before = views
		rows = append(rows, m.row(first, last, port, views))
	}
}

func (m *Matrix) row(first, last netip.Addr, port probe.Port, ids []int32) Row {
	views := make([]View, len(ids))
	for i, id := range ids {
		if id != none {
			views[i] = m.views[id]
		}
	}
	return Row{First: first, Last: last, Count: count(first, last), Port: port, Views: views, Agreement: agreement(views)}
}

// count is how many addresses there are from first to last; as many as fit.
func count(first, last netip.Addr) uint64 {
	a, b := first.As16(), last.As16()
	n := binary.BigEndian.Uint64(b[8:]) - binary.BigEndian.Uint64(a[8:])
	if [8]byte(a[:8]) != [8]byte(b[:8]) || n == math.MaxUint64 {
		return math.MaxUint64
	}
	return n + 1
}
