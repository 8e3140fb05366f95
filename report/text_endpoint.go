package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/scan"
)

// maxBanner bounds a greeting in a line; all of it is evidence (-v).
const maxBanner = 60

// maxAddress bounds the column of addresses.
const maxAddress = 24

// endpoints tells what a probe or a scan found. A line is written as soon as it
// is known, so the columns of lines that follow can only grow. What is dull in
// a scan is folded and told at the end.
type endpoints struct {
	*teller
	widths [4]int // address, port, state, reason
	host   string
	told   bool // a line was written
	open   uint64
	fold   fold
	sky    sky
}

// folds reports whether records in this state wait to be told together.
func (e *endpoints) folds(s probe.State) bool {
	return s != probe.Open && e.command != "probe" && e.Verbosity != Verbose && !e.Each
}

func (e *endpoints) result(r probe.Result) {
	if r.State == probe.Open {
		e.open++
	}
	if e.draws() {
		e.sky.add(r.Addr, r.Addr, r.State)
	}
	switch {
	case e.Verbosity == Quiet && r.Decoy():
		e.verdict(r.Endpoint.String(), r.State, asEverywhere)
	case e.Verbosity == Quiet:
		e.verdict(r.Endpoint.String(), r.State, "")
	case e.command == "scan" && e.Verbosity != Verbose && !e.Each && r.Decoy():
		e.fold.addLoose(r)
	case e.folds(r.State):
		e.fold.add(scan.Range{First: r.Addr, Last: r.Addr, Count: 1, Port: r.Port, Proto: r.Proto, State: r.State,
			Reason: r.Reason, Tries: r.Tries, Responder: r.Responder, Notes: r.Notes, Error: r.Error})
	default:
		e.attempts.gap()
		e.heading(r.Host, r.Lookup)
		e.row(Visible(r.Addr.String()), probe.Port{Number: r.Port, Proto: r.Proto}, r.State, r.Reason, r.RTT, e.remarks(r))
		e.attempts.statistics(e.indent()+4, r.Endpoint, r.Attempts)
		e.path(r)
		e.below(r.Notes, e.evidence(r))
	}
}

func (e *endpoints) span(r scan.Range) {
	if r.State == probe.Open {
		e.open += r.Count
	}
	if e.draws() {
		e.sky.add(r.First, r.Last, r.State)
	}
	switch {
	case e.Verbosity == Quiet:
		e.verdict(fmt.Sprintf("%s:%d/%s", addresses(r.First, r.Last), r.Port, r.Proto), r.State, "")
	case e.folds(r.State):
		e.fold.add(r)
	default:
		parts := []string{counted(r.Count, "endpoint", "endpoints")}
		parts = append(parts, common(r.Tries, r.Reason, r.Responder, r.Error)...)
		e.row(short(run{r.First, r.Last}), probe.Port{Number: r.Port, Proto: r.Proto}, r.State, r.Reason, 0, parts)
		e.below(r.Notes, nil)
	}
}

// verdict is a line for scripts.
func (e *endpoints) verdict(name string, s probe.State, but string) {
	if s == probe.Open || e.command != "scan" {
		e.line(0, 0, span{Visible(name) + " ", plain}, span{s.String(), tone(s.String())}, span{but, plain})
	}
}

// heading says which name the addresses that follow are of.
func (e *endpoints) heading(host string, l *probe.Lookup) {
	if e.command != "scan" && host != e.host {
		e.host = host
		if host != "" {
			line := []span{{Visible(host), strong}}
			if l != nil && l.CNAME != "" {
				line = append(line, span{" is " + Visible(l.CNAME), plain})
			}
			if l != nil && e.Verbosity == Verbose {
				line = append(line, span{"  looked up in " + human(time.Duration(l.Time)), faint})
			}
			e.line(0, 2, line...)
		}
	}
}

// row writes one line. Its columns are made for what is common: what is longer
// moves the rest of its line, and leaves the others alone.
func (e *endpoints) row(address string, port probe.Port, s probe.State, reason probe.Reason, rtt probe.Millis, tail []string) {
	if e.widths[0] == 0 {
		e.widths = [...]int{15, 7, 4, 7} // an IPv4 address, 417/tcp, open, syn-ack
		if !e.folds(probe.Closed) {
			e.widths[2] = len("open|filtered")
		}
	}
	cells := [...]span{{address, plain}, {port.String(), plain}, {s.String(), tone(s.String())}, {reason.String(), plain}}
	line := make([]span, 0, 2*(len(cells)+1+len(tail)))
	for i, cell := range cells {
		width := columns(cell.text)
		if i == 1 || i == 0 && width <= maxAddress {
			e.widths[i] = max(e.widths[i], width)
		}
		line = append(line, cell, span{blanks(max(0, e.widths[i]-width) + gutter), plain})
	}
	if rtt > 0 {
		took := strings.ReplaceAll(human(time.Duration(rtt)), " ", glue)
		line = append(line, span{padLeft(took, 7), plain}, span{blanks(gutter), plain})
	}
	for _, s := range tail {
		line = append(line, span{s, plain}, span{blanks(gutter), plain})
	}
	e.told = true
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
		e.line(e.indent()+4, e.indent()+6, span{"note: ", maybe}, span{Visible(n), plain})
	}
	for _, s := range evidence {
		e.line(e.indent()+4, e.indent()+6, span{Visible(s), faint})
	}
}

// remarks are what a line says behind its columns.
func (e *endpoints) remarks(r probe.Result) []string {
	var parts []string
	if r.Service != nil {
		parts = append(parts, service(*r.Service))
	}
	tries := r.Tries
	if r.Attempts != nil { // they are told below
		tries = 0
	}
	parts = append(parts, common(tries, r.Reason, r.Responder, r.Error)...)
	if e.command == "scan" && r.Host != "" {
		parts = append(parts, Visible(r.Host))
	}
	return parts
}

// common is what single endpoints and ranges alike say behind their columns.
func common(tries int, reason probe.Reason, responder netip.Addr, failure string) []string {
	var parts []string
	if responder.IsValid() {
		parts = append(parts, "from "+Visible(responder.String()))
	}
	if tries > 1 || tries == 1 && reason == probe.NoResponse {
		parts = append(parts, counted(uint64(tries), "try", "tries"))
	}
	if failure != "" {
		parts = append(parts, Visible(failure))
	}
	return parts
}

// service is "ssh OpenSSH 9.2p1", or the greeting where that is all there is.
func service(s probe.Service) string {
	said := `"` + clip(Visible(s.Banner), maxBanner) + `"`
	var parts []string
	for _, p := range []string{s.Name, s.Product, s.Version} {
		if p != "" {
			parts = append(parts, Visible(p))
		}
	}
	switch {
	case s.Name == unknown && s.Banner == "" && s.Info == "":
		parts = []string{"unknown service"}
	case s.Name == unknown && s.Banner == "":
		parts = []string{"unknown service, which " + Visible(s.Info)}
	case s.Name == unknown && s.Info == "":
		parts = []string{"unknown service, which says", said}
	case s.Name == unknown && strings.Contains(s.Banner, `\x`): // bytes are for -v
		parts = []string{"unknown service, which says " + Visible(s.Info)}
	case s.Name == unknown:
		parts = []string{"unknown service, which says", said + ":", Visible(s.Info)}
	case s.Info != "":
		parts = append(parts, "("+Visible(s.Info)+")")
	case s.Product == "" && s.Banner != "" && !strings.Contains(s.Banner, `\x`):
		parts = append(parts, said)
	}
	if s.TLS != nil {
		parts = append(parts, "in TLS "+Visible(s.TLS.Version))
	}
	if s.Confidence == probe.Low || s.Confidence == probe.Medium {
		parts = append(parts, "("+string(s.Confidence)+" confidence)")
	}
	return strings.Join(parts, " ")
}

// evidence is everything that is known beyond the line.
func (e *endpoints) evidence(r probe.Result) []string {
	if e.Verbosity != Verbose {
		return nil
	}
	out := slices.Clone(r.Evidence)
	var more []string
	if r.TTL > 0 {
		more = append(more, fmt.Sprintf("TTL %d", r.TTL))
	}
	if r.ICMP != (probe.ICMP{}) && len(r.Evidence) == 0 {
		more = append(more, fmt.Sprintf("ICMP type %d code %d", r.ICMP.Type, r.ICMP.Code))
	}
	if r.Confidence != "" && r.Confidence != probe.High {
		more = append(more, string(r.Confidence)+" confidence")
	}
	if len(more) > 0 {
		out = append(out, strings.Join(more, ", "))
	}
	if s := r.Service; s != nil {
		out = append(out, serviceEvidence(*s)...)
	}
	return out
}

func serviceEvidence(s probe.Service) []string {
	var out []string
	if s.Banner != "" {
		out = append(out, `it says "`+s.Banner+`"`)
	}
	if s.TLS != nil {
		out = append(out, tlsEvidence(*s.TLS)...)
	}
	how := ""
	if s.Probe != "" {
		how = "asked by " + s.Probe
	}
	if s.Rule != "" {
		how = strings.TrimPrefix(how+", known by rule "+s.Rule, ", ")
	}
	if how != "" {
		out = append(out, how)
	}
	return out
}

// tlsEvidence is what a handshake showed: the connection, whom the certificate
// is for and how long it is valid, who signed it.
func tlsEvidence(t probe.TLS) []string {
	line := []string{"TLS " + t.Version}
	for _, p := range []struct{ what, is string }{{"", t.Cipher}, {"ALPN ", t.ALPN}} {
		if p.is != "" {
			line = append(line, p.what+p.is)
		}
	}
	out := []string{strings.Join(line, ", ")}
	if t.Subject != "" || len(t.Names) > 0 {
		out = append(out, "certificate for "+strings.Join(append([]string{t.Subject}, t.Names...), ", "))
	}
	signed := "signed by " + t.Issuer
	if t.SelfSigned {
		signed = "signed by itself"
	}
	if t.Issuer != "" {
		line = []string{signed}
		if t.Key != "" {
			line = append(line, t.Key)
		}
		if !t.Expires.IsZero() {
			line = append(line, "expires "+t.Expires.Format(time.DateOnly))
		}
		out = append(out, strings.Join(line, ", "))
	}
	return out
}

// addresses is "10.0.0.7" or "10.0.0.1-10.0.0.9".
func addresses(first, last netip.Addr) string {
	if first == last {
		return Visible(first.String())
	}
	return Visible(first.String()) + "-" + Visible(last.String())
}
