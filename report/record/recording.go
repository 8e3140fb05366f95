package record

import (
	"onmux/probe"
	"onmux/probe/listen"
	"onmux/probe/local"
	"onmux/probe/ports"
	"onmux/scan"
	"onmux/scan/wire"
)

// Recording is a Handler that keeps a stream, to write it later. The zero value
// is ready for use.
type Recording struct {
	Started  Start
	Findings []Finding
	Ended    End
}

// Start keeps s.
func (r *Recording) Start(s Start) error { r.Started = s; return nil }

// End keeps e.
func (r *Recording) End(e End) error { r.Ended = e; return nil }

func (r *Recording) keep(f Finding) error {
	r.Findings = append(r.Findings, f)
	return nil
}

// The methods of Handler between Start and End keep the record.
func (r *Recording) Endpoint(f probe.Result) error   { return r.keep(f) }
func (r *Recording) Attempt(f probe.Attempt) error   { return r.keep(f) }
func (r *Recording) Range(f scan.Range) error        { return r.keep(f) }
func (r *Recording) Flow(f wire.Flow) error          { return r.keep(f) }
func (r *Recording) Listener(f local.Listener) error { return r.keep(f) }
func (r *Recording) Verdict(f local.Verdict) error   { return r.keep(f) }
func (r *Recording) Event(f local.Event) error       { return r.keep(f) }
func (r *Recording) Arrival(f listen.Arrival) error  { return r.keep(f) }
func (r *Recording) Port(f ports.Info) error         { return r.keep(f) }
func (r *Recording) Change(f Change) error           { return r.keep(f) }
func (r *Recording) Rule(f Rule) error               { return r.keep(f) }
func (r *Recording) Violation(f Violation) error     { return r.keep(f) }

// Replay writes to h what was kept, and stops at its first error.
func (r *Recording) Replay(h Handler) error {
	if err := h.Start(r.Started); err != nil {
		return err
	}
	for _, f := range r.Findings {
		if err := Write(h, f); err != nil {
			return err
		}
	}
	return h.End(r.Ended)
}
