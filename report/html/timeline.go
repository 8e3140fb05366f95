package html

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"onmux/report/phrase"
	"onmux/report/phrase/passing"
)

// Of the time line: how many endpoints have a lane, into how many parts the time is divided, and
// how high the tallest of them is, in units of the drawing, which is as wide as the page.
const (
	maxLanes   = 24
	laneParts  = 160
	laneHeight = 40
	laneLeast  = 3 // the height of a part in which something passed, whatever its size
)

// timeLine draws what passed over the time: a lane for all together and one for each of the endpoints
// with the most flows.
func (p *passed) timeLine(b *bytes.Buffer) {
	from, to := p.span()
	if from == 0 {
		return
	}
	listed, others := p.mostEndpoints(maxLanes)
	laneOf := make([]int, len(p.endpoints.all))
	for i := range laneOf {
		laneOf[i] = len(listed)
	}
	for i, e := range listed {
		laneOf[e.number] = i
	}
	all, lanes := lane{}, make([]lane, len(listed)+1)
	part := (to-from)/laneParts + 1
	var total party
	for i := range p.flows {
		f := &p.flows[i]
		total.extend(f)
		if f.from > 0 {
			all.add(f, from, part)
			lanes[laneOf[f.endpoint]].add(f, from, part)
		}
	}
	clock := clockOf(from, to)
	fmt.Fprintf(b, "<section id=\"time\"><h2>Time line</h2>\n<p class=\"meta\">When the endpoints were used, and how "+
		"much data passed: each column is %s, the tallest of a lane is its most. A flow's data is spread evenly from "+
		"its first packet to its last. Times are of %s, UTC.</p>\n<ol class=\"lanes\">\n",
		htmlText(plainSpaces(phrase.Duration(time.Duration(part)))), days(from, to))
	total.name = "all endpoints"
	if len(listed) > 1 {
		all.write(b, &total, "", clock)
	}
	for i := range listed {
		lanes[i].write(b, &listed[i], listed[i].state.String(), clock)
	}
	if others.connections > 0 {
		others.name = phrase.Count(uint64(len(p.endpoints.all)-len(listed)), "other endpoint", "other endpoints")
		lanes[len(listed)].write(b, &others, "", clock)
	}
	fmt.Fprintf(b, "</ol>\n<p class=\"axis\"><span>%s</span><span>%s</span><span>%s UTC</span></p>\n", clock(from),
		clock(from+(to-from)/2), clock(to))
	if p.left > 0 {
		fmt.Fprintf(b, "<p class=\"gap\">%s more are not drawn</p>\n", htmlText(phrase.Count(p.left, "flow", "flows")))
	}
	b.WriteString("</section>\n")
}

// clockOf writes times as exactly as they differ, in UTC.
func clockOf(from, to int64) func(int64) string {
	format := time.DateTime
	switch span := time.Duration(to - from); {
	case span < 10*time.Second:
		format = time.TimeOnly + ".000"
	case span > 7*24*time.Hour:
		format = "2006-01-02 15:04"
	case day(from) == day(to):
		format = time.TimeOnly
	}
	return func(at int64) string { return time.Unix(0, at).UTC().Format(format) }
}

// days is the day of two times, or both.
func days(from, to int64) string {
	if day(from) == day(to) {
		return day(from)
	}
	return day(from) + " to " + day(to)
}

func day(at int64) string { return time.Unix(0, at).UTC().Format(time.DateOnly) }

// lane is what passed in each part of the time, in bytes.
type lane struct {
	bytes [laneParts]float64
	used  [laneParts]bool
}

func (l *lane) add(f *passage, from, part int64) {
	first, last := (f.from-from)/part, (f.to-from)/part
	share := float64(f.sent+f.received) / float64(last-first+1)
	for i := first; i <= last; i++ {
		l.bytes[i] += share
		l.used[i] = true
	}
}

// path is the outline of a lane as SVG path data: columns of width 1.
func (l *lane) path() string {
	top := 0.0
	for _, n := range l.bytes {
		top = max(top, n)
	}
	var out strings.Builder
	for i := 0; i < laneParts; {
		if !l.used[i] {
			i++
			continue
		}
		fmt.Fprintf(&out, "M%d %d", i, laneHeight)
		for ; i < laneParts && l.used[i]; i++ {
			height := float64(laneLeast)
			if top > 0 {
				height += (laneHeight - laneLeast) * l.bytes[i] / top
			}
			fmt.Fprintf(&out, "V%.1fh1", laneHeight-height)
		}
		fmt.Fprintf(&out, "V%dz", laneHeight)
	}
	return out.String()
}

// write writes a lane of an endpoint, or of several.
func (l *lane) write(b *bytes.Buffer, of *party, state string, clock func(int64) string) {
	amount := phrase.Count(of.connections, "flow", "flows")
	if of.bytes > 0 {
		amount += ", " + passing.Bytes(of.bytes)
	}
	when := clock(of.first)
	if last := clock(of.last); last != when {
		when += " to " + last
	}
	if state != "" {
		amount = state + ", " + amount
	}
	fmt.Fprintf(b, "<li class=\"%s\"><span class=\"name\">%s</span><svg viewBox=\"0 0 %d %d\" "+
		"preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s\"><path d=\"%s\"/></svg>"+
		"<span class=\"note\">%s<br>%s</span></li>\n",
		stateClass(state), placeText(of.name), laneParts, laneHeight,
		htmlText(plainSpaces(of.name)+", "+when), l.path(),
		htmlText(plainSpaces(amount)), htmlText(when))
}

// placeText is a client or an endpoint as text, in which a line may be broken before the port.
func placeText(name string) string {
	return strings.Replace(htmlText(plainSpaces(name)), "]:", "]<wbr>:", 1)
}

func plainSpaces(s string) string { return strings.ReplaceAll(s, phrase.NoBreak, " ") }

// stateClass is a state as a class of the style.
func stateClass(state string) string {
	if state == "" {
		return "any"
	}
	return "is-" + strings.ReplaceAll(state, "|", "-")
}
