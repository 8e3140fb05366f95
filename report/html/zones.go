package html

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/matrix"
	"onmux/report/phrase"
)

// Rows of the tables of zones: of open services, and of addresses on which zones differ.
const (
	maxZoneServices = 60
	maxZoneRows     = 500
)

// zones has what each zone of a scan from several found.
type zones struct{ matrix.Matrix }

// write writes how many open endpoints each zone found of each service, and on which endpoints zones
// differ or do not know.
func (z *zones) write(b *bytes.Buffer) {
	if z.Empty() {
		return
	}
	rows := z.Rows()
	b.WriteString("<section id=\"zones\"><h2>Zones</h2>\n")
	z.services(b, rows)
	for _, kind := range []struct {
		agreement matrix.Agreement
		title     string
	}{{matrix.Differ, "Not the same from all zones"}, {matrix.Unknown, "Not known from every zone"}} {
		n := 0
		for n < len(rows) && rows[n].Agreement == kind.agreement {
			n++
		}
		z.table(b, kind.title, rows[:n])
		rows = rows[n:]
	}
	if len(z.Zones()) > 1 {
		var same uint64
		for _, r := range rows {
			same += r.Count
		}
		fmt.Fprintf(b, "<p class=\"meta\">%s the same from every zone.</p>\n",
			htmlText(plainSpaces(phrase.Count(same, "endpoint is", "endpoints are"))))
	}
	b.WriteString("</section>\n")
}

// service is what is open on a port.
type service struct {
	port probe.Port
	name string
}

// services writes how many endpoints with each service every zone found open.
func (z *zones) services(b *bytes.Buffer, rows []matrix.Row) {
	counts := make(map[service][]uint64)
	for _, r := range rows {
		name := ""
		for _, v := range r.Views {
			name = cmp.Or(name, v.Service())
		}
		for i, v := range r.Views {
			if !v.Asked || v.Result.State != probe.Open {
				continue
			}
			key := service{r.Port, cmp.Or(v.Service(), name)}
			if counts[key] == nil {
				counts[key] = make([]uint64, len(r.Views))
			}
			counts[key][i] += r.Count
		}
	}
	if len(counts) == 0 {
		return
	}
	var order []service
	for key := range counts {
		order = append(order, key)
	}
	slices.SortFunc(order, func(a, b service) int {
		return cmp.Or(cmp.Compare(slices.Max(counts[b]), slices.Max(counts[a])),
			cmp.Compare(a.port.Number, b.port.Number), cmp.Compare(a.port.Proto, b.port.Proto), cmp.Compare(a.name, b.name))
	})
	left := len(order) - maxZoneServices
	z.head(b, "Open endpoints by service", "service")
	for _, key := range order[:min(len(order), maxZoneServices)] {
		fmt.Fprintf(b, "<tr><th scope=\"row\">%s</th>", htmlText(strings.TrimSpace(key.port.String()+" "+key.name)))
		most := slices.Max(counts[key])
		for i, n := range counts[key] {
			class := ""
			if n < most {
				class = " class=\"fewer\""
			}
			fmt.Fprintf(b, "<td data-name=\"%s\"%s>%s</td>", htmlText(z.Zones()[i]), class, wording.Number(n))
		}
		b.WriteString("</tr>\n")
	}
	tail(b, left)
}

// table writes rows of addresses with what each zone found.
func (z *zones) table(b *bytes.Buffer, title string, rows []matrix.Row) {
	if len(rows) == 0 {
		return
	}
	left := len(rows) - maxZoneRows
	z.head(b, title, "where")
	for _, r := range rows[:min(len(rows), maxZoneRows)] {
		where := phrase.Addresses(r.First, r.Last) + " " + r.Port.String()
		fmt.Fprintf(b, "<tr><th scope=\"row\">%s</th>", htmlText(where))
		for i, v := range r.Views {
			class := "none"
			if v.Asked {
				class = stateClass(v.Result.State.String())
			}
			title := ""
			if v.Result.Error != "" {
				title = " title=\"" + htmlText(v.Result.Error) + "\""
			}
			fmt.Fprintf(b, "<td data-name=\"%s\" class=\"view %s\"%s>%s</td>", htmlText(z.Zones()[i]), class, title,
				htmlText(v.String()))
		}
		b.WriteString("</tr>\n")
	}
	tail(b, left)
}

// head begins a table with a column for each zone.
func (z *zones) head(b *bytes.Buffer, title, first string) {
	fmt.Fprintf(b, "<h3>%s</h3>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table "+
		"class=\"cards\">\n<thead><tr><th scope=\"col\">%s</th>", title, title, first)
	for _, name := range z.Zones() {
		fmt.Fprintf(b, "<th scope=\"col\">%s</th>", htmlText(name))
	}
	b.WriteString("</tr></thead>\n<tbody>\n")
}

// tail ends a table that so many rows are left out of.
func tail(b *bytes.Buffer, left int) {
	b.WriteString("</tbody></table></div>\n")
	if left > 0 {
		more := phrase.Count(uint64(left), "more row", "more rows")
		fmt.Fprintf(b, "<p class=\"gap\">and %s</p>\n", htmlText(plainSpaces(more)))
	}
}
