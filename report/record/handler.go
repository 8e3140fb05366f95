package record

import (
	"fmt"

	"onmux/probe"
	"onmux/probe/listen"
	"onmux/probe/local"
	"onmux/probe/ports"
	"onmux/scan"
	"onmux/scan/wire"
)

// Handler receives one stream of records: Start once, then a call for each
// record, End once, even after an interrupt. Calls come from one goroutine. An
// error means that the records could not be written, and that none after it will
// be. Who only writes stops there. A Run goes on: its outcome, exit code and
// checkpoint do not depend on an output.
type Handler interface {
	Start(Start) error
	Endpoint(probe.Result) error
	Attempt(probe.Attempt) error
	Range(scan.Range) error
	Flow(wire.Flow) error
	Listener(local.Listener) error
	Verdict(local.Verdict) error
	Event(local.Event) error
	Arrival(listen.Arrival) error
	Port(ports.Info) error
	Change(Change) error
	Rule(Rule) error
	Violation(Violation) error
	End(End) error
}

// Write passes a record to the method of h for its kind. It is the only place
// that has to know every kind.
func Write(h Handler, f Finding) error {
	switch f := f.(type) {
	case probe.Result:
		return h.Endpoint(f)
	case probe.Attempt:
		return h.Attempt(f)
	case scan.Range:
		return h.Range(f)
	case wire.Flow:
		return h.Flow(f)
	case local.Listener:
		return h.Listener(f)
	case local.Verdict:
		return h.Verdict(f)
	case local.Event:
		return h.Event(f)
	case listen.Arrival:
		return h.Arrival(f)
	case ports.Info:
		return h.Port(f)
	case Change:
		return h.Change(f)
	case Rule:
		return h.Rule(f)
	case Violation:
		return h.Violation(f)
	}
	return fmt.Errorf("no report has records of type %q", f.Kind())
}

// Nop is a Handler that ignores everything. Embed it in a handler that needs some
// kinds of records only.
type Nop struct{}

// The methods of Handler.
func (Nop) Start(Start) error             { return nil }
func (Nop) Endpoint(probe.Result) error   { return nil }
func (Nop) Attempt(probe.Attempt) error   { return nil }
func (Nop) Range(scan.Range) error        { return nil }
func (Nop) Flow(wire.Flow) error          { return nil }
func (Nop) Listener(local.Listener) error { return nil }
func (Nop) Verdict(local.Verdict) error   { return nil }
func (Nop) Event(local.Event) error       { return nil }
func (Nop) Arrival(listen.Arrival) error  { return nil }
func (Nop) Port(ports.Info) error         { return nil }
func (Nop) Change(Change) error           { return nil }
func (Nop) Rule(Rule) error               { return nil }
func (Nop) Violation(Violation) error     { return nil }
func (Nop) End(End) error                 { return nil }

// Func receives the records of every kind. Embed it in a handler that treats them
// alike; Start and End are its own.
type Func func(Finding) error

// The methods of Handler between Start and End.
func (f Func) Endpoint(r probe.Result) error   { return f(r) }
func (f Func) Attempt(a probe.Attempt) error   { return f(a) }
func (f Func) Range(r scan.Range) error        { return f(r) }
func (f Func) Flow(w wire.Flow) error          { return f(w) }
func (f Func) Listener(l local.Listener) error { return f(l) }
func (f Func) Verdict(v local.Verdict) error   { return f(v) }
func (f Func) Event(e local.Event) error       { return f(e) }
func (f Func) Arrival(a listen.Arrival) error  { return f(a) }
func (f Func) Port(p ports.Info) error         { return f(p) }
func (f Func) Change(c Change) error           { return f(c) }
func (f Func) Rule(r Rule) error               { return f(r) }
func (f Func) Violation(v Violation) error     { return f(v) }
