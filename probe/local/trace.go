package local

import (
	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
)

// tracing is what was tried on all ports; the zero value: nothing was to be tried.
type tracing struct {
	trace.Result
	asked bool
	tries int // ports that were to be bound
}

func (t tracing) coverage(q socket.Query) TraceCoverage {
	return TraceCoverage{Asked: t.asked, Unsupported: t.Unsupported, Made: t.Made, Left: t.Left,
		UDP: len(q.Ports[probe.UDP]) > 0, TCP: len(q.Ports[probe.TCP]) > 0, TooMany: t.tries > trace.MaxTrials}
}

// answers is the attempts on a port with the sockets that answered them.
func (t tracing) answers(p probe.Port, o owner.Owners) []Answer {
	var all []Answer
	for _, a := range t.Attempts[p] {
		answer := Answer{Attempt: a}
		owners, s := a.Owners(o)
		if s.Local.IsValid() {
			answer.Listener = newListener(s, o)
		}
		answer.Listener.Owners = owners
		all = append(all, answer)
	}
	return all
}

// bind tries to bind a port on which nothing listens, unless that was done to many.
// Binding meets also the sockets that no source lists.
func (t *tracing) bind(q socket.Query, p probe.Port) (trials trace.BindTrials, inUse bool) {
	if t.tries++; t.tries > trace.MaxTrials {
		return nil, false
	}
	trials = trace.TryBind(q, p)
	return trials, trials.InUse() && !t.OwnPorts[p.Number]
}

// record is the answer as a verdict of a report has it, but for its sentence.
func (a Answer) record() trace.Trace {
	t := trace.Trace{To: a.To.String(), Outcome: a.Outcome, Owners: a.Listener.Owners, Behind: a.Behind}
	if a.Backend.IsValid() {
		t.Backend = a.Backend.String()
	}
	return t
}
