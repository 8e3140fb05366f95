package text

import (
	"fmt"
	"strings"

	"onmux/probe"
	"onmux/report/matrix"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// maxDiffer bounds the rows of what zones see differently unless all are asked for.
const maxDiffer = 1000

// zoned writes what the zones of a scan found, side by side: rows on which they differ, then those that
// some zone does not know. What is the same from all of them is left to the list and the folded table.
func (e *endpoints) zoned(s scan.Summary) {
	for _, of := range s.Zones {
		e.matrix.Zone(of.Zone)
	}
	if e.matrix.Empty() || e.Verbosity == record.Quiet {
		return
	}
	rows := e.matrix.Rows()
	names := e.matrix.Zones()
	for _, kind := range []struct {
		agreement matrix.Agreement
		title     string
	}{
		{matrix.Differ, "not the same from all " + phrase.Count(uint64(len(names)), "zone", "zones") + ":"},
		{matrix.Unknown, "not known from every zone:"},
	} {
		n := 0
		for n < len(rows) && rows[n].Agreement == kind.agreement {
			n++
		}
		if n > 0 {
			e.apart()
			e.line(0, 2, span{kind.title, strong})
			e.zoneRows(names, rows[:n])
		}
		rows = rows[n:]
	}
	e.sameRows(rows)
}

// everyZone stands above what is the same from every zone of several.
func (e *endpoints) everyZone(title string) {
	if len(e.matrix.Zones()) > 1 && !e.each() {
		e.line(0, 2, span{title, strong})
	}
}

// zoneRows writes rows with a column for each zone where there is room, or else with the zones of each view.
func (e *endpoints) zoneRows(names []string, rows []matrix.Row) {
	left := 0
	if len(rows) > maxDiffer && e.Verbosity != record.Verbose {
		rows, left = rows[:maxDiffer], len(rows)-maxDiffer
	}
	headings := []heading{{name: "ADDRESSES"}, {name: "PORT"}}
	for _, name := range names {
		headings = append(headings, heading{name: phrase.Visible(name)})
	}
	cells := make([][]span, len(rows))
	for i, r := range rows {
		cells[i] = []span{{phrase.Addresses(r.First, r.Last), plain}, {r.Port.String(), plain}}
		for z, v := range r.Views {
			cells[i] = append(cells[i], span{phrase.Visible(v.String()), viewStyle(v)})
			if v.Result.Error != "" {
				e.fold.Remark("error", names[z]+": "+v.Result.Error, r.Count)
			}
			for _, note := range v.Result.Notes {
				e.fold.Remark("note", names[z]+": "+note, r.Count)
			}
		}
	}
	if e.width == 0 || e.last(0, headings, cells) >= phrase.Columns(lastCells(cells)) {
		e.grid(0, headings, cells)
	} else {
		for i, r := range rows {
			e.line(0, 4, append([]span{{cells[i][0].text + "  " + r.Port.String() + "  ", plain}}, byView(names, r)...)...)
		}
	}
	if left > 0 {
		e.line(0, 2, span{fmt.Sprintf("and %s (-v lists all)", phrase.Count(uint64(left), "more row", "more rows")), plain})
	}
	e.out.WriteByte('\n')
}

// byView is the views of a row, each with its zones: "open: eu-1, eu-2; filtered: us-1".
func byView(names []string, r matrix.Row) (out []span) {
	zones := make(map[string][]string)
	var order []matrix.View
	for i, v := range r.Views {
		if zones[v.String()] == nil {
			order = append(order, v)
		}
		zones[v.String()] = append(zones[v.String()], phrase.Visible(names[i]))
	}
	for i, v := range order {
		if i > 0 {
			out = append(out, span{"; ", plain})
		}
		word := v.String()
		if !v.Asked {
			word = "not probed"
		}
		out = append(out, span{phrase.Visible(word), viewStyle(v)}, span{": " + strings.Join(zones[v.String()], ", "), plain})
	}
	return out
}

func viewStyle(v matrix.View) style {
	if !v.Asked {
		return faint
	}
	return tone(v.Result.State.String())
}

// sameRows passes on what all zones found alike, as if one had.
func (e *endpoints) sameRows(rows []matrix.Row) {
	if e.each() {
		return // each record has a line
	}
	for _, r := range rows {
		one := r.Views[0].Result
		one.Port = r.Port.Number
		if one.State != probe.Open {
			one.Addr = r.First
			all := record.Single(one)
			all.Last, all.Count = r.Last, r.Count
			e.fold.Add(all)
			continue
		}
		for a := r.First; a.IsValid() && a.Compare(r.Last) <= 0; a = a.Next() {
			one.Addr = a
			e.same(one)
		}
	}
}

// same passes on what all zones found alike of one endpoint.
func (e *endpoints) same(r probe.Result) {
	if r.IsDecoy() {
		e.fold.AddLoose(r)
		return
	}
	e.keep(r)
}

// byZone writes what each zone found in all.
func (t *writer) byZone(s scan.Summary) {
	for _, of := range s.Zones {
		line := []span{{phrase.Visible(of.Zone), strong}, {": " + phrase.Count(of.Targets, "endpoint", "endpoints"), plain}}
		t.line(0, 2, append(line, tallies(of)...)...)
	}
}
