package text

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/report/matrix"
	"onmux/report/phrase"
	"onmux/report/phrase/passing"
	"onmux/report/record"
	"onmux/report/text/fold"
	"onmux/scan"
)

// Bounds of a table of endpoints.
const (
	maxAddress  = 24      // columns of an address where the width is limited
	wideAddress = 45      // and where it is ample
	ampleWidth  = 100     // columns from which on it is
	maxListed   = 1 << 14 // endpoints that are put in order at the end
	maxMeasured = 1000    // endpoints whose columns are made alike, if each has a line
	maxWhat     = 16      // columns of the name of a service
	leastTail   = 24      // columns that what is behind the columns needs
	moment      = time.Second
)

// endpoints writes what a probe or a scan found: at the end, in columns that fit all
// of it, and of a scan in the order of addresses. Where somebody waits for them, those that
// were found so far are written after a moment, and each that follows at once. In a scan
// what is not open is grouped.
type endpoints struct {
	*base
	attempts *attempts
	kept     []probe.Result // not written, or to be written once more
	shown    int            // of kept were written as they were found
	widths   columns
	waiting  waiting // of a watch
	host     string
	many     bool // more were open than are put in order
	open     uint64
	fold     fold.Table
	states   stateMaps
	matrix   matrix.Matrix // of a scan from several zones
}

// columns are the widths of a table.
type columns struct {
	indent, address, port, state, rtt, what int
}

// folds reports whether records in this state wait to be grouped.
func (e *endpoints) folds(s probe.State) bool {
	return s != probe.Open && !e.each() && e.command != "probe" && e.command != "watch"
}

// each reports whether every record has a line.
func (e *endpoints) each() bool { return e.Verbosity == record.Verbose || e.Each }

// lists reports whether what is open is listed at the end, in order.
func (e *endpoints) lists() bool { return e.command == "scan" && !e.each() && !e.many }

func (e *endpoints) result(r probe.Result) {
	if r.State == probe.Open {
		e.open++
	}
	if r.Zone != "" && r.Addr.IsValid() && e.Verbosity != record.Quiet {
		if e.matrix.Endpoint(r); !e.each() {
			if r.State == probe.Open && e.waits() {
				e.write([]probe.Result{r})
			}
			return
		}
	}
	if e.states.draws() && r.Addr.IsValid() {
		e.states.add(r.Addr, r.Addr, probe.Port{Number: r.Port, Proto: r.Proto}, r.State)
	}
	switch {
	case e.Verbosity == record.Quiet:
		tail := quietTail(r) + phrase.Visible(record.From(r.Zone))
		r.Zone = ""
		for _, place := range record.PlacesAsGiven(r) {
			e.verdict(place, r.State, tail)
		}
	case e.command == "scan" && !e.each() && r.IsDecoy():
		e.fold.AddLoose(r)
	case e.folds(r.State) && r.Addr.IsValid():
		e.fold.Add(record.Single(r))
	default:
		e.keep(r)
	}
}

// keep keeps an endpoint for the table, and writes what cannot wait.
func (e *endpoints) keep(r probe.Result) {
	if e.lists() && r.Addr.IsValid() {
		e.fold.Found(r.Endpoint)
	}
	e.kept = append(e.kept, r)
	if e.lists() && len(e.kept) > maxListed {
		e.many = true
		e.fold.ForgetFound()
	}
	if e.command == "watch" { // its flows follow
		e.kept = nil
		e.passing(r)
		return
	}
	limit := maxListed + 1
	switch {
	case e.each() || e.many:
		limit = maxMeasured
	case e.command != "probe" && e.command != "scan": // those of a rule, which follows
		limit = 1
	}
	switch waits := e.waits(); {
	case len(e.kept) >= limit || waits && !e.lists():
		if waits { // others follow
			e.widths.state, e.widths.rtt = len("open|filtered"), len("0.12 ms")
		}
		e.write(e.kept[e.shown:])
		e.kept, e.shown = nil, 0
	case waits:
		e.write(e.kept[e.shown:])
		e.shown = len(e.kept)
	}
}

// waits reports whether somebody waits for what is found.
func (e *endpoints) waits() bool { return e.Live && time.Since(e.began) > moment }

// rest writes what was kept and is not written again at the end.
func (e *endpoints) rest() {
	if !e.lists() {
		e.write(e.kept)
		e.kept = nil
	}
}

// list writes what a scan found open, in order.
func (e *endpoints) list() {
	if len(e.kept) == 0 {
		return
	}
	slices.SortStableFunc(e.kept, func(a, b probe.Result) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port))
	})
	e.apart()
	e.everyZone("open from every zone:")
	e.widths = columns{}
	e.write(e.kept)
	e.kept = nil
	e.apart()
}

func (e *endpoints) span(r scan.Range) {
	if r.State == probe.Open {
		e.open += r.Count
	}
	if r.Zone != "" && e.Verbosity != record.Quiet {
		if e.matrix.Range(r); !e.each() {
			return
		}
	}
	if e.states.draws() {
		e.states.add(r.First, r.Last, probe.Port{Number: r.Port, Proto: r.Proto}, r.State)
	}
	switch {
	case e.Verbosity == record.Quiet:
		place := fmt.Sprintf("%s:%d/%s", phrase.Addresses(r.First, r.Last), r.Port, r.Proto)
		e.verdict(place, r.State, phrase.Visible(record.From(r.Zone)))
	case e.folds(r.State):
		e.fold.Add(r)
	default:
		e.rest()
		tail := row{state: r.State, what: r.Reason.String(), tail: []string{phrase.Count(r.Count, "endpoint", "endpoints")}}
		tail.address, tail.port = phrase.Addresses(r.First, r.Last), probe.Port{Number: r.Port, Proto: r.Proto}
		tail.tail = append(tail.tail, phrase.Remarks(r.Tries, r.Reason, r.Responder, r.Error)...)
		tail.tail = append(tail.tail, fromZone(r.Zone)...)
		e.measure(tail)
		write := func() {
			e.row(tail)
			e.below(r.Notes, nil)
		}
		if e.command == "watch" {
			e.waiting.add(write)
			return
		}
		write()
	}
}

// passing keeps an endpoint of a watch, below which its clients will stand.
func (e *endpoints) passing(r probe.Result) {
	out := e.rowOf(r)
	e.measure(out)
	evidence := e.evidence(r)
	e.waiting.add(func() {
		e.row(out)
		e.below(r.Notes, evidence)
	})
}

// waiting are lines that are written when it is known how wide the columns before are, in parts.
type waiting []func()

func (w *waiting) add(write func()) {
	if *w = append(*w, write); len(*w) >= maxMeasured {
		w.write()
	}
}

func (w *waiting) write() {
	for _, write := range *w {
		write()
	}
	*w = nil
}

// verdict is a line for scripts.
func (e *endpoints) verdict(name string, s probe.State, tail string) {
	if s == probe.Open || e.command != "scan" {
		e.line(0, 0, span{phrase.Visible(name) + " ", plain}, span{s.String(), tone(s.String())}, span{tail, plain})
	}
}

// quietTail follows a verdict: the address where the endpoint has its host's name, and
// whether every port of it is open.
func quietTail(r probe.Result) string {
	var tail string
	if r.Host != "" && r.Addr.IsValid() {
		tail = " " + phrase.Visible(r.Addr.String())
	}
	if r.IsDecoy() {
		tail += phrase.AsEverywhere
	}
	return tail
}

// heading writes which name the addresses that follow are of.
func (e *endpoints) heading(host string, l *probe.Lookup) {
	if e.command != "scan" && host != e.host {
		e.host = host
		if host != "" {
			line := []span{{phrase.Visible(host), strong}}
			if l != nil && l.CNAME != "" {
				line = append(line, span{" is " + phrase.Visible(l.CNAME), plain})
			}
			if l != nil && e.Verbosity == record.Verbose {
				line = append(line, span{"  looked up in " + phrase.Duration(time.Duration(l.Time)), faint})
			}
			e.line(0, 2, line...)
		}
	}
}

// row is a line of a table of endpoints.
type row struct {
	address string
	port    probe.Port
	state   probe.State
	rtt     string
	what    string // the name of the service, or else the reason of the state
	tail    []string
	named   bool // what is the name of a service
	none    bool // there is no host
}

func (e *endpoints) rowOf(r probe.Result) row {
	out := row{address: cmp.Or(phrase.Visible(record.AddressOf(r)), "-"), port: probe.Port{Number: r.Port,
		Proto: r.Proto},
		state: r.State, what: r.Reason.String(), none: r.Reason == probe.NoNeighbor}
	if r.RTT > 0 {
		out.rtt = strings.ReplaceAll(phrase.Duration(time.Duration(r.RTT)), " ", phrase.NoBreak)
	}
	if r.Service != nil {
		parts := phrase.Service(*r.Service, e.started)
		out.what, out.tail, out.named = parts[0], parts[1:], true
	}
	tries := r.Tries
	if r.Attempts != nil || r.Traffic != nil { // they are written below or in Traffic
		tries = 0
	}
	out.tail = append(out.tail, phrase.Remarks(tries, r.Reason, r.Responder, r.Error)...)
	out.tail = append(out.tail, passing.Totals(r.Traffic)...)
	out.tail = append(out.tail, fromZone(r.Zone)...)
	if e.command == "scan" && r.Host != "" {
		out.tail = append(out.tail, phrase.Visible(strings.Join(r.Names(), ", ")))
	}
	return out
}

// fromZone names the zone that a record is of, if there are zones.
func fromZone(zone string) []string {
	if zone == "" {
		return nil
	}
	return []string{phrase.Visible(strings.TrimSpace(record.From(zone)))}
}

// write writes endpoints in columns that fit all of them and what was written before.
func (e *endpoints) write(all []probe.Result) {
	if len(all) == 0 {
		return
	}
	rows := make([]row, len(all))
	for i, r := range all {
		rows[i] = e.rowOf(r)
		e.measure(rows[i])
		if r.Host != "" && e.command != "scan" {
			e.widths.indent = 2
		}
	}
	for i, r := range all {
		e.attempts.gap()
		e.heading(strings.Join(r.Names(), ", "), r.Lookup)
		e.row(rows[i])
		e.attempts.statistics(e.indent()+4, r.Endpoint, r.Attempts)
		e.path(r)
		e.farEnd(r.FarEnd)
		e.below(r.Notes, e.evidence(r))
	}
}

// measure makes columns wide enough for a row, unless its address is longer than is usual.
func (e *endpoints) measure(r row) {
	longest := maxAddress
	if e.width == 0 || e.width >= ampleWidth {
		longest = wideAddress
	}
	w := &e.widths
	if n := phrase.Columns(r.address); n <= longest {
		w.address = max(w.address, n)
	}
	w.port, w.state = max(w.port, len(r.port.String())), max(w.state, len(r.state.String()))
	w.rtt = max(w.rtt, phrase.Columns(r.rtt))
	if n := phrase.Columns(r.what); r.named && n <= maxWhat {
		w.what = max(w.what, n)
	}
}

// row writes one line. What is longer than its column moves the rest of its line.
func (e *endpoints) row(r row) {
	what := span{r.what, plain}
	if r.named {
		what.style = strong
	}
	cells := []span{{r.address, plain}, {r.port.String(), plain}, {r.state.String(), tone(r.state.String())},
		{phrase.PadLeft(r.rtt, e.widths.rtt), plain}, what}
	if r.none {
		cells[2].style = faint
	}
	var line []span
	at := e.indent()
	w := e.widths
	for i, width := range []int{w.address + w.indent - at, w.port, w.state, w.rtt, w.what} {
		if width == 0 && cells[i].text == "" {
			continue
		}
		blanks := max(0, width-phrase.Columns(cells[i].text)) + gutter
		line = append(line, cells[i], span{phrase.Blanks(blanks), plain})
		at += phrase.Columns(cells[i].text) + blanks
	}
	for _, s := range r.tail {
		line = append(line, span{s, plain}, span{phrase.Blanks(gutter), plain})
	}
	hang := e.indent() + 4
	if e.width-at >= leastTail {
		hang = at
	}
	e.line(e.indent(), hang, line...)
}

func (e *endpoints) indent() int {
	if e.host != "" {
		return 2
	}
	return 0
}

// below writes what belongs to the line before.
func (e *endpoints) below(notes, evidence []string) {
	for _, n := range notes {
		e.line(e.indent()+4, e.indent()+6, span{"note: ", maybe}, span{phrase.Visible(n), plain})
	}
	for _, s := range evidence {
		e.line(e.indent()+4, e.indent()+6, span{phrase.Visible(s), faint})
	}
}

// evidence is what is known beyond the line, for those who asked for everything.
func (e *endpoints) evidence(r probe.Result) []string {
	if e.Verbosity != record.Verbose {
		return nil
	}
	return phrase.Evidence(r)
}
