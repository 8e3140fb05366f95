package text

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/listen"
	"onmux/probe/local"
	"onmux/probe/ports"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/phrase/arrival"
	"onmux/report/phrase/passing"
	"onmux/report/record"
	"onmux/scan"
	"onmux/scan/wire"
)

// base is what all parts of the text share.
type base struct {
	*canvas
	record.Options
	command string
	started time.Time // as the report has it
	began   time.Time // when this began to be written
}

// writer writes for people. Quiet, it writes one line a verdict and nothing else,
// made for scripts: "417/tcp listening" for check, "10.0.0.7:417/tcp open" for
// every endpoint of a probe and for every open one of a scan. What was expected,
// and whether it could be measured, is then in the exit code alone.
type writer struct {
	*base
	w            io.Writer
	ports        portTable
	endpoints    endpoints
	attempts     attempts
	changes      changes
	explanations explanations
	violations   violations
	clients      passing.Clients // of the endpoint that was written last
}

// New is a handler that writes text.
func New(w io.Writer, o record.Options) record.Handler {
	b := &base{canvas: newCanvas(o.Width, o.Color), Options: o}
	b.ascii = o.ASCII
	t := &writer{base: b, w: w, ports: portTable{base: b}, attempts: attempts{base: b}, changes: changes{base: b},
		explanations: explanations{base: b}, violations: violations{base: b}}
	t.endpoints = endpoints{base: b, attempts: &t.attempts, states: stateMaps{base: b}}
	return t
}

// Start keeps the command.
func (t *writer) Start(s record.Start) error {
	t.command, t.started, t.began = s.Command, s.Started, time.Now()
	t.ports.found, t.ports.watch = s.AllPorts, s.Watch
	return nil
}

// Endpoint writes one that is worth a line of its own; the others wait.
func (t *writer) Endpoint(r probe.Result) error {
	t.clientLines()
	t.endpoints.result(r)
	return t.flush()
}

// Attempt writes a line.
func (t *writer) Attempt(a probe.Attempt) error {
	t.attempts.attempt(a)
	return t.flush()
}

// Range keeps it for the end, or writes a line.
func (t *writer) Range(r scan.Range) error {
	t.clientLines()
	t.endpoints.span(r)
	return t.flush()
}

// Verdict keeps it for the end.
func (t *writer) Verdict(v local.Verdict) error {
	t.ports.verdict(v)
	return t.flush()
}

// Event writes a line.
func (t *writer) Event(e local.Event) error {
	t.ports.event(e)
	return t.flush()
}

// Flow writes a line, or keeps it for the lines of its clients.
func (t *writer) Flow(f wire.Flow) error {
	if indent, line := t.clients.Take(f, t.Verbosity); line != "" {
		write := func() { t.line(indent, indent+2, span{line, plain}) }
		if f.Event != "" || t.command != "watch" { // somebody waits for it
			write()
		} else {
			t.endpoints.waiting.add(write)
		}
	}
	return t.flush()
}

// clientLines writes who the clients of the endpoint before were.
func (t *writer) clientLines() {
	for _, s := range t.clients.Lines() {
		write := func() { t.line(4, 6, span{s, faint}) }
		if t.command != "watch" {
			write()
		} else {
			t.endpoints.waiting.add(write)
		}
	}
}

// Arrival writes a line.
func (t *writer) Arrival(a listen.Arrival) error {
	t.arrival(a)
	return t.flush()
}

// Listener keeps it for its port's verdict.
func (t *writer) Listener(l local.Listener) error {
	t.ports.listener(l)
	return nil
}

// Port writes what is known of it.
func (t *writer) Port(p ports.Info) error {
	t.explanations.explain(p)
	return t.flush()
}

// Rule writes a line.
func (t *writer) Rule(r record.Rule) error {
	t.violations.rule(r)
	return t.flush()
}

// Change keeps it for the end.
func (t *writer) Change(c record.Change) error {
	t.changes.change(c)
	return t.flush()
}

// Violation writes it below its rule, or keeps it for the end.
func (t *writer) Violation(v record.Violation) error {
	t.violations.add(v)
	return t.flush()
}

// End writes what waited, then what else is known, and in the last line or lines
// how it ended.
func (t *writer) End(e record.End) error {
	t.ports.end()
	t.clientLines()
	t.endpoints.waiting.write()
	t.violations.endRule()
	if t.Verbosity == record.Quiet {
		return t.flush()
	}
	if t.command == "diff" {
		t.changes.end(e)
		return t.flush()
	}
	t.endpoints.end(e)
	if t.Verbosity == record.Verbose || !e.Complete && e.Watched == nil {
		for _, s := range e.Coverage {
			t.line(0, 2, span{phrase.Visible(s), faint})
		}
	}
	if c := e.Summary.Controls; c != nil && t.Verbosity == record.Verbose {
		t.line(0, 2, span{phrase.Controls(c), faint})
		if len(c.Windows) > 1 {
			t.line(2, 2, span{shares(c.Windows, t.ASCII) + "  share that answered, over the time", faint})
		}
	}
	t.endpoints.list()
	t.violations.end()
	for _, h := range e.Hints {
		t.line(0, 2, span{"hint: ", faint}, span{phrase.Visible(h), plain})
	}
	if e.Watched != nil {
		t.line(0, 2, span{phrase.Watched(*e.Watched, time.Duration(e.Summary.Duration)), strong})
	} else if e.Arrived != nil {
		t.line(0, 2, span{arrival.Sum(*e.Arrived, time.Duration(e.Summary.Duration)), strong})
	} else if t.command != "explain" { // which has nothing to add up
		t.sum(e)
	}
	t.incomplete(e)
	t.violations.total()
	return t.flush()
}

func (t *writer) flush() error {
	_, err := t.w.Write(t.out.Bytes())
	if t.out.Len() > 0 {
		t.blank = bytes.HasSuffix(t.out.Bytes(), []byte("\n\n"))
	}
	t.out.Reset()
	return err
}

// sum is the line that adds up: "4 endpoints: 1 open, 3 closed".
func (t *writer) sum(e record.End) {
	s := e.Summary
	one, many := t.nouns()
	if s.Targets == 0 && t.command == "check" {
		if e.Complete {
			t.line(0, 2, span{"found nothing that listens", strong})
		}
		return
	}
	line := []span{{phrase.Count(s.Targets, one, many), strong}}
	if n := len(s.Zones); n > 0 {
		line = append(line, span{" from " + phrase.Count(uint64(n), "zone", "zones"), plain})
	}
	if s.Duration > 0 && t.command == "scan" {
		line = append(line, span{" in " + strings.ReplaceAll(phrase.Duration(time.Duration(s.Duration)), " ",
			phrase.NoBreak), plain})
	}
	line = append(line, tallies(s)...)
	for _, figure := range phrase.Figures(s, t.command) {
		line = append(line, span{"; " + figure, plain})
	}
	t.byZone(s)
	t.line(0, 2, line...)
}

// tallies is how many there are of each state: ": 1 open, 3 closed".
func tallies(s scan.Summary) (line []span) {
	for i, c := range phrase.Tallies(s.States) {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		line = append(line, span{sep + wording.Number(c.Count) + phrase.NoBreak, plain},
			span{phrase.Visible(c.Phrase()), tone(c.Word)})
	}
	return line
}

// incomplete writes what was not reached.
func (t *writer) incomplete(e record.End) {
	if e.Complete || e.Watched != nil || e.Arrived != nil {
		return
	}
	if e.First > 0 {
		t.line(0, 2, span{phrase.StoppedShort(e), maybe})
		return
	}
	_, many := t.nouns()
	sentence := "incomplete: not everything could be looked at"
	if t.command == "watch" {
		sentence = "incomplete: not everything was read"
	}
	if n := e.Summary.NotReached; n > 0 {
		verb := "were"
		if n == 1 {
			verb = "was"
		}
		sentence = fmt.Sprintf("incomplete: %s of %s %s %s not reached", wording.Number(n),
			wording.Number(e.Summary.Targets+n), many, verb)
	}
	t.line(0, 2, span{sentence, maybe})
}

func (t *writer) nouns() (one, many string) {
	switch t.command {
	case "check":
		return "port", "ports"
	case "verify":
		return "rule", "rules"
	}
	return "endpoint", "endpoints"
}

// tone is the style of a state or verdict.
func tone(word string) style {
	switch word {
	case probe.Open.String(), string(local.Listening):
		return yes
	case probe.Closed.String(), string(local.Free):
		return no
	case probe.Unreachable.String():
		return bad
	case record.Unknown:
		return wrong
	}
	return maybe
}
