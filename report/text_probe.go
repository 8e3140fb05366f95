package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"onmux/probe"
)

// probeText tells each endpoint on a line, those of a name under it.
type probeText struct {
	*printer
	host string
}

func (t *probeText) finding(f Finding) {
	r, ok := f.(probe.Result)
	if !ok {
		return
	}
	if t.Verbosity == Quiet {
		t.quiet(r)
		return
	}
	if r.Host != t.host {
		t.host = r.Host
		if r.Host != "" {
			t.line(t.bold(Visible(r.Host)))
		}
	}
	indent := ""
	if r.Host != "" {
		indent = "  "
	}
	t.endpoint(indent, r)
}

func (t *probeText) end(End) {}

func (t *probeText) sum(e End) string {
	return counted(e.Summary.Targets, "endpoint") + ": " + t.states(stateWords(), e.Summary.States)
}

func stateWords() []string {
	var words []string
	for _, s := range probe.States() {
		words = append(words, s.String())
	}
	return words
}

func (p *printer) quiet(r probe.Result) {
	p.put(Visible(r.Endpoint.String()) + " " + p.paint(r.State.String(), r.State.String()) + "\n")
}

// endpoint tells one result in columns that line up with those of its
// neighbours, and what explains it below.
func (p *printer) endpoint(indent string, r probe.Result) {
	state := r.State.String()
	port := probe.Port{Number: r.Port, Proto: r.Proto}
	columns := []string{pad(Visible(r.Addr.String()), 15), pad(port.String(), 9), p.paint(state, state) + blank(13-len(state))}
	reason := r.Reason.String()
	if r.Responder.IsValid() {
		reason += " from " + Visible(r.Responder.String())
	}
	columns = append(columns, pad(reason, 14))
	rtt := ""
	if r.RTT > 0 {
		rtt = duration(time.Duration(r.RTT))
	}
	columns = append(columns, blank(8-len(rtt))+rtt)
	if s := r.Service; s != nil {
		columns = append(columns, spoken(*s))
	}
	p.line(indent + strings.Join(columns, "  "))
	if r.Error != "" {
		p.wrap(indent+"  ", p.bad(Visible(r.Error)))
	}
	for _, n := range r.Notes {
		p.wrap(indent+"  ", p.warn("note: ")+Visible(n))
	}
	if p.Verbosity != Verbose {
		return
	}
	for _, e := range r.Evidence {
		p.wrap(indent+"  ", p.dim(Visible(e)))
	}
	if s := r.Service; s != nil && s.Rule != "" {
		p.wrap(indent+"  ", p.dim(fmt.Sprintf("named by the rule %q on what the probe %q drew, confidence %s", Visible(s.Rule), Visible(s.Probe), s.Confidence)))
	}
}

// spoken is what a service said, and who that makes it.
func spoken(s probe.Service) string {
	var words []string
	for _, w := range []string{s.Name, s.Product, s.Version} {
		if w != "" {
			words = append(words, Visible(w))
		}
	}
	if s.Banner != "" {
		words = append(words, `"`+Visible(s.Banner)+`"`)
	}
	return strings.Join(words, " ")
}

func pad(s string, width int) string { return s + blank(width-text.StringWidth(s)) }

func blank(n int) string { return strings.Repeat(" ", max(n, 0)) }
