package text

import (
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/phrase/arrival"
	"onmux/report/phrase/evidence"
	"onmux/report/record"
)

// path writes the hops to an endpoint, a line each, and what they show.
func (e *endpoints) path(r probe.Result) {
	if len(r.Path) == 0 {
		return
	}
	e.hops(r.Path)
	if e.Verbosity != record.Verbose { // it is among the evidence
		in := e.indent() + 4
		e.line(in, in+2, span{phrase.Visible(evidence.Path(r.Endpoint, r.Path)), plain})
	}
}

// farEnd writes what the far end answered.
func (e *endpoints) farEnd(f *probe.FarEnd) {
	in := e.indent() + 4
	for _, s := range arrival.FarEnd(f) {
		e.line(in, in+2, span{s, plain})
	}
	if f != nil && len(f.Path) > 0 {
		e.line(in, in+2, span{"the way back, from the far end:", plain})
		e.hops(f.Path)
	}
}

func (e *endpoints) hops(path []probe.Hop) {
	width := 0
	for _, h := range path {
		if h.Address.IsValid() {
			width = max(width, min(phrase.Columns(phrase.Visible(h.Address.String())), maxAddress))
		}
	}
	in := e.indent() + 4
	for _, h := range path {
		number := span{"hop " + phrase.PadLeft(strconv.Itoa(h.Hop), 2) + "  ", faint}
		if !h.Address.IsValid() && h.Reason == probe.NoReason {
			e.line(in, in+2, number, span{"no answer", faint})
			continue
		}
		name := ""
		if h.Address.IsValid() {
			name = phrase.Visible(h.Address.String())
		}
		rest := "  " + phrase.PadLeft(strings.ReplaceAll(phrase.Duration(time.Duration(h.RTT)), " ", phrase.NoBreak), 7)
		if h.Reason != probe.TimeExceeded {
			rest += "  " + h.Reason.String()
		}
		e.line(in, in+2, number, span{phrase.Pad(name, width) + rest, plain})
	}
}
