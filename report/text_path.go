package report

import (
	"strconv"
	"strings"
	"time"

	"onmux/probe"
)

// path tells the hops to an endpoint, a line each, and what they show.
func (e *endpoints) path(r probe.Result) {
	if len(r.Path) == 0 {
		return
	}
	width := 0
	for _, h := range r.Path {
		if h.Address.IsValid() {
			width = max(width, min(columns(Visible(h.Address.String())), maxAddress))
		}
	}
	in := e.indent() + 4
	for _, h := range r.Path {
		number := span{"hop " + padLeft(strconv.Itoa(h.Hop), 2) + "  ", faint}
		if !h.Address.IsValid() && h.Reason == probe.NoReason {
			e.line(in, in+2, number, span{"says nothing", faint})
			continue
		}
		name := ""
		if h.Address.IsValid() {
			name = Visible(h.Address.String())
		}
		rest := "  " + padLeft(strings.ReplaceAll(human(time.Duration(h.RTT)), " ", glue), 7)
		if h.Reason != probe.TimeExceeded {
			rest += "  " + h.Reason.String()
		}
		e.line(in, in+2, number, span{pad(name, width) + rest, plain})
	}
	if e.Verbosity != Verbose { // it is among the evidence
		e.line(in, in+2, span{Visible(probe.TellPath(r.Endpoint, r.Path)), plain})
	}
}
