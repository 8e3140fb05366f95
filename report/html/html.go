package html

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/listen"
	"onmux/probe/local"
	"onmux/probe/ports"
	"onmux/report/phrase"
	"onmux/report/phrase/arrival"
	"onmux/report/phrase/passing"
	"onmux/report/record"
	"onmux/scan"
	"onmux/scan/wire"
)

//go:embed page
var pageFiles embed.FS

const (
	// pageRows bounds what a page carries: a browser opens that in a second or two.
	pageRows = 200_000

	// plainRows is how many rows readers without scripts are shown.
	plainRows = 200
)

// page writes one self-contained HTML file: how it ended, what is not as
// expected, and what was and was not looked at stand in it as text, with the first rows; a
// script of its own draws map, histogram and table of all rows, which stand in it
// compressed (see columns). Nothing is ever loaded: the policy in its head
// allows this style and these scripts by their hashes, and nothing else.
type page struct {
	table  rows
	start  record.Start
	port   *row   // of a check: the verdict that waits for its sockets
	answer string // the only thing that was looked at, in a sentence
	asked  int    // 2 stands for more
	passed passed
	zones  zones

	violations []record.Violation
	violated   int
	doubted    bool // a change is not certain
}

// rows keeps the rows, and writes the page.
type rows struct {
	w    io.Writer
	buf  bytes.Buffer
	all  []row
	left uint64 // rows that are not on the page
}

// row is a line of the table, and with an address a place on the map.
type row struct {
	Place   string
	Word    string     // its state, verdict, outcome, or what changed
	Reason  string     // of a change: what it was
	RTT     float64    // milliseconds
	Name    string     // of the service; of a check, the address of the socket
	Text    string     // what is there, or who holds it; of a change: what it is now
	Details []string   // evidence
	First   netip.Addr // the addresses that it is about
	Last    netip.Addr // of a range
	Port    string
	Count   uint64 // endpoints of a range
	Zone    string // that asked, of several
}

func New(w io.Writer, _ record.Options) record.Handler {
	return &page{table: rows{w: w}}
}

// asset is a part of the page; it is part of the program.
func asset(name string) string {
	b, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// sourceOf allows a style or a script by what it is (CSP3, section 2.3.1).
func sourceOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// pageScript is all that the page runs.
func pageScript() string {
	return asset("base.js") + asset("map.js") + asset("table.js") + asset("page.js")
}

// Start writes the head.
func (h *page) Start(s record.Start) error {
	h.start = s
	style := asset("page.css")
	policy := "default-src 'none'; img-src data:; style-src " + sourceOf(style) + "; script-src " +
		sourceOf(pageScript()) + "; base-uri 'none'; form-action 'none'"
	fmt.Fprintf(&h.table.buf, `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="%s">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%s</title>
<link rel="icon" href="data:,">
<style>%s</style>
</head>
<body data-command="%s">
`, policy, htmlText(h.title()), style, htmlText(s.Command))
	return h.table.flush()
}

// title is what was run, from where and when.
func (h *page) title() string {
	s := h.start
	title := phrase.CommandOf(s)
	if s.Host != "" {
		title += ", from " + s.Host
	}
	if !s.Started.IsZero() {
		title += ", " + s.Started.UTC().Format("2006-01-02 15:04") + " UTC"
	}
	return title
}

// subject notes what the first of the records that have a subject states.
func (h *page) subject(f record.Finding) {
	if h.asked > 1 {
		return
	}
	if h.asked++; h.asked == 1 {
		s, _ := record.About(f)
		h.answer = s.What + " is " + phrase.Sentence(f)
	}
}

// Endpoint writes a row.
func (h *page) Endpoint(r probe.Result) error {
	h.subject(r)
	if r.Zone != "" {
		h.zones.Endpoint(r)
	}
	return h.table.add(result(r, h.start.Started))
}

// Attempt writes the row of an endpoint that was asked once.
func (h *page) Attempt(a probe.Attempt) error {
	r := record.Asked(a)
	r.Tries, r.Notes = 0, []string{fmt.Sprintf("attempt %d at %s", a.Try, a.Time.UTC().Format(time.RFC3339))}
	return h.table.add(result(r, h.start.Started))
}

// Verdict keeps it for the rows of its sockets; one without any is a row of its own.
func (h *page) Verdict(v local.Verdict) error {
	h.subject(v)
	err := h.flushPort()
	h.port = &row{Place: probe.Port{Number: v.Port, Proto: v.Proto}.String(), Word: string(v.Verdict),
		Text: phrase.Join(v.Why, v.Error), Details: append(phrase.Freeing(v), v.Bind...)}
	return err
}

func (h *page) flushPort() error {
	if h.port == nil {
		return nil
	}
	r := *h.port
	h.port = nil
	return h.table.add(r)
}

// Port writes a row.
func (h *page) Port(p ports.Info) error {
	return h.table.add(row{Place: strconv.Itoa(int(p.Port)), Word: string(p.Range), Text: phrase.Names(p),
		Details: p.Notes})
}

// Rule writes a row.
func (h *page) Rule(r record.Rule) error {
	return h.table.add(row{Place: r.Name, Word: r.Outcome.String(), Reason: phrase.Join(r.Found, r.Error)})
}

// Violation keeps it, as long as there are few.
func (h *page) Violation(v record.Violation) error {
	if h.violated++; h.violated <= phrase.MaxRows {
		h.violations = append(h.violations, v)
	}
	return nil
}

// Change writes a row: one that is certain, or stands apart from those under a word of its own.
func (h *page) Change(c record.Change) error {
	r := row{Place: c.Place(), Word: c.What, Reason: c.Old, Text: c.New, Details: c.Notes, Count: c.Number()}
	if c.Confidence == probe.Low {
		h.doubted = true
		r.Word = "not certain: " + c.What
	}
	return h.table.add(r)
}

func result(r probe.Result, at time.Time) row {
	zone := r.Zone
	r.Zone = "" // it has a column
	out := row{
		Zone:  zone,
		Place: record.Place(r), Word: r.State.String(), Reason: r.Reason.String(), RTT: milliseconds(r.RTT),
		First: r.Addr, Port: probe.Port{Number: r.Port, Proto: r.Proto}.String(),
	}
	parts := slices.Clone(r.Names())
	if r.Service != nil {
		service := phrase.Service(*r.Service, at)
		out.Name = service[0]
		parts = append(parts, service[1:]...)
	}
	parts = append(parts, phrase.Remarks(r.Tries, r.Reason, r.Responder, r.Error)...)
	out.Text = strings.Join(append(parts, passing.Totals(r.Traffic)...), ", ")
	if r.Traffic != nil {
		out.Details = []string{passing.Period(r.Traffic.First, r.Traffic.Last)}
	}
	for _, n := range r.Notes {
		out.Details = append(out.Details, "note: "+n)
	}
	evidence := phrase.Evidence(r)
	if line := "its MAC is " + r.MAC; r.MAC != "" && !slices.Contains(evidence, line) {
		evidence = append(evidence, line)
	}
	out.Details = slices.Concat(out.Details, arrival.FarEnd(r.FarEnd), evidence)
	return out
}

// Range writes a row.
func (h *page) Range(r scan.Range) error {
	h.subject(r)
	if r.Zone != "" {
		h.zones.Range(r)
	}
	p := probe.Port{Number: r.Port, Proto: r.Proto}
	return h.table.add(row{
		Place: phrase.Addresses(r.First, r.Last) + " " + p.String(), Word: r.State.String(), Reason: r.Reason.String(),
		Text: strings.Join(append([]string{phrase.Count(r.Count, "address", "addresses")},
			phrase.Remarks(r.Tries, r.Reason, r.Responder, r.Error)...), ", "),
		Details: r.Notes, First: r.First, Last: r.Last, Port: p.String(), Count: r.Count, Zone: r.Zone,
	})
}

// Listener writes a row, with the verdict of its port.
func (h *page) Listener(l local.Listener) error {
	out := socketRow(l)
	if h.port != nil && h.port.Place == out.Place {
		out.Details = slices.Concat([]string{h.port.Text}, h.port.Details, out.Details)
		h.port = nil
	}
	return h.table.add(out)
}

// Event writes a row.
func (h *page) Event(e local.Event) error {
	out := socketRow(e.Listener)
	out.Word, out.Reason = string(e.Event), e.Time.Format(time.RFC3339)
	return h.table.add(out)
}

// Flow writes a row and keeps what is drawn of it. One that only began comes again.
func (h *page) Flow(f wire.Flow) error {
	if f.Event != "" {
		return nil
	}
	h.passed.add(f)
	return h.table.add(row{
		Place: passing.Client(f) + " to " + f.Endpoint.String(), Word: "flow, " + f.State.String(),
		Reason: f.Reason.String(), RTT: milliseconds(f.RTT), Text: strings.Join(passing.Flow(f), ", "),
		Details: []string{passing.Period(f.First, f.Last)},
	})
}

// Arrival writes a row.
func (h *page) Arrival(a listen.Arrival) error {
	return h.table.add(row{
		Place: netip.AddrPortFrom(a.Client, a.ClientPort).String(), Word: probe.Port{Number: a.Port,
			Proto: a.Proto}.String(),
		Reason: a.Time.Format(time.RFC3339), Text: strings.Join(arrival.Line(a), ", "), Details: arrival.Details(a),
	})
}

func socketRow(l local.Listener) row {
	out := row{Place: probe.Port{Number: l.Port, Proto: l.Proto}.String(), Word: string(l.State),
		Name: phrase.Socket(l, ""), Reason: phrase.Reach(l), Text: phrase.Holders(l.Owners)}
	if out.Text == "" {
		out.Text = "owner not visible"
	}
	for _, o := range l.Owners {
		if s := strings.Join(phrase.Owner(o), ", "); s != "" {
			out.Details = append(out.Details, fmt.Sprintf("pid %d: %s", o.PID, s))
		}
		if len(o.Cmdline) > 0 {
			out.Details = append(out.Details, "started as "+phrase.CommandLine(o.Cmdline))
		}
	}
	if len(l.Candidates) > 0 {
		out.Details = append(out.Details, "may be held by "+phrase.Candidates(l.Origin))
	}
	return out
}

// milliseconds is a round-trip time as a page computes with it, as exact as in
// documents.
func milliseconds(rtt probe.Millis) float64 {
	return float64(time.Duration(rtt).Round(time.Microsecond)) / float64(time.Millisecond)
}

// add keeps a row, as long as there are few.
func (t *rows) add(r row) error {
	if len(t.all) == pageRows {
		t.left++
		return nil
	}
	r.Text = strings.ReplaceAll(r.Text, phrase.NoBreak, " ")
	for _, s := range []*string{&r.Place, &r.Word, &r.Reason, &r.Name, &r.Text, &r.Zone} {
		*s = phrase.Visible(*s)
	}
	details := make([]string, len(r.Details))
	for i, d := range r.Details {
		details[i] = phrase.Visible(d)
	}
	r.Details = details
	t.all = append(t.all, r)
	return nil
}

func (t *rows) flush() error {
	_, err := t.w.Write(t.buf.Bytes())
	t.buf.Reset()
	return err
}

// htmlText is s as text, also in an attribute.
func htmlText(s string) string { return html.EscapeString(phrase.Visible(s)) }
