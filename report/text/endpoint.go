package text

import (
	"fmt"
	"strings"
	"time"

	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// maxAddress bounds the column of addresses.
const maxAddress = 24

// endpoints writes what a probe or a scan found. A line is written as soon as it
// is known, so the columns of lines that follow can only grow. In a scan
// what is not open is grouped, and written at the end.
type endpoints struct {
	*base
	attempts *attempts
	widths   [4]int // address, port, state, reason
	host     string
	some     bool // a line was written
	open     uint64
	fold     fold
	states   stateMap
}

// folds reports whether records in this state wait to be grouped.
func (e *endpoints) folds(s probe.State) bool {
	return s != probe.Open && e.command != "probe" && e.Verbosity != record.Verbose && !e.Each
}

func (e *endpoints) result(r probe.Result) {
	if r.State == probe.Open {
		e.open++
	}
	if e.states.draws() {
		e.states.add(r.Addr, r.Addr, r.State)
	}
	switch {
	case e.Verbosity == record.Quiet && r.IsDecoy():
		e.verdict(r.Endpoint.String(), r.State, phrase.AsEverywhere)
	case e.Verbosity == record.Quiet:
		e.verdict(r.Endpoint.String(), r.State, "")
	case e.command == "scan" && e.Verbosity != record.Verbose && !e.Each && r.IsDecoy():
		e.fold.addLoose(r)
	case e.folds(r.State):
		e.fold.add(record.Single(r))
	default:
		e.attempts.gap()
		e.heading(r.Host, r.Lookup)
		e.row(phrase.Visible(r.Addr.String()), probe.Port{Number: r.Port, Proto: r.Proto}, r.State, r.Reason, r.RTT,
			e.remarks(r))
		e.attempts.statistics(e.indent()+4, r.Endpoint, r.Attempts)
		e.path(r)
		e.below(r.Notes, e.evidence(r))
	}
}

func (e *endpoints) span(r scan.Range) {
	if r.State == probe.Open {
		e.open += r.Count
	}
	if e.states.draws() {
		e.states.add(r.First, r.Last, r.State)
	}
	switch {
	case e.Verbosity == record.Quiet:
		e.verdict(fmt.Sprintf("%s:%d/%s", phrase.Addresses(r.First, r.Last), r.Port, r.Proto), r.State, "")
	case e.folds(r.State):
		e.fold.add(r)
	default:
		parts := []string{phrase.Count(r.Count, "endpoint", "endpoints")}
		parts = append(parts, phrase.Remarks(r.Tries, r.Reason, r.Responder, r.Error)...)
		e.row(short(run{r.First, r.Last}), probe.Port{Number: r.Port, Proto: r.Proto}, r.State, r.Reason, 0, parts)
		e.below(r.Notes, nil)
	}
}

// verdict is a line for scripts.
func (e *endpoints) verdict(name string, s probe.State, but string) {
	if s == probe.Open || e.command != "scan" {
		e.line(0, 0, span{phrase.Visible(name) + " ", plain}, span{s.String(), tone(s.String())}, span{but, plain})
	}
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

// row writes one line. Its columns are made for what is common: what is longer
// moves the rest of its line, and leaves the others alone.
func (e *endpoints) row(address string, port probe.Port, s probe.State, reason probe.Reason, rtt probe.Millis,
	tail []string) {
	if e.widths[0] == 0 {
		e.widths = [...]int{15, 7, 4, 7} // an IPv4 address, 417/tcp, open, syn-ack
		if !e.folds(probe.Closed) {
			e.widths[2] = len("open|filtered")
		}
	}
	cells := [...]span{{address, plain}, {port.String(), plain}, {s.String(), tone(s.String())},
		{reason.String(), plain}}
	line := make([]span, 0, 2*(len(cells)+1+len(tail)))
	for i, cell := range cells {
		width := phrase.Columns(cell.text)
		if i == 1 || i == 0 && width <= maxAddress {
			e.widths[i] = max(e.widths[i], width)
		}
		line = append(line, cell, span{phrase.Blanks(max(0, e.widths[i]-width) + gutter), plain})
	}
	if rtt > 0 {
		took := strings.ReplaceAll(phrase.Duration(time.Duration(rtt)), " ", phrase.NoBreak)
		line = append(line, span{phrase.PadLeft(took, 7), plain}, span{phrase.Blanks(gutter), plain})
	}
	for _, s := range tail {
		line = append(line, span{s, plain}, span{phrase.Blanks(gutter), plain})
	}
	e.some = true
	e.line(e.indent(), e.indent()+4, line...)
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

// remarks are what a line has behind its columns.
func (e *endpoints) remarks(r probe.Result) []string {
	var parts []string
	if r.Service != nil {
		parts = append(parts, phrase.Service(*r.Service))
	}
	tries := r.Tries
	if r.Attempts != nil { // they are written below
		tries = 0
	}
	parts = append(parts, phrase.Remarks(tries, r.Reason, r.Responder, r.Error)...)
	if e.command == "scan" && r.Host != "" {
		parts = append(parts, phrase.Visible(r.Host))
	}
	return parts
}

// evidence is what is known beyond the line, for those who asked for everything.
func (e *endpoints) evidence(r probe.Result) []string {
	if e.Verbosity != record.Verbose {
		return nil
	}
	return phrase.Evidence(r)
}
