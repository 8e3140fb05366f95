package local

import (
	"context"
	"errors"
	"strings"

	"onmux/probe"
	"onmux/probe/local/nat"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
)

// finding is all that is known of one port.
type finding struct {
	port      probe.Port
	count     socket.Counts
	listeners []Listener // behind the verdict, not more of them than tally bounds
	source    socket.Source
	where     string
	owners    owner.Owners
	dropped   socket.ListenDrops
	redirects []nat.Redirect
	attempts  []*trace.Attempt
	trials    trace.BindTrials
	inUse     bool       // a socket was in the way of binding, seen or not
	unread    []nat.Rule // NAT rules that cover the port and could not be read
	unruled   bool       // not all NAT rules could be read
	elsewhere []foreign  // who holds it in other network namespaces
	missed    bool       // not all of those could be looked at
}

// unfinished is the report of a call whose context ended.
func unfinished(r Request, ended error) (out Report) {
	said := "it was interrupted"
	if errors.Is(ended, context.DeadlineExceeded) {
		said = "the time ran out"
	}
	for _, p := range r.Ports {
		out.Verdicts = append(out.Verdicts, Verdict{Port: p.Number, Proto: p.Proto, Verdict: Unknown, Why: "could not look", Error: said})
	}
	return out
}

// verdict judges a port. A socket that was seen is a fact, whatever else could
// not be read; that none was seen is one only if everything could be.
func (f finding) verdict() Verdict {
	v := Verdict{Port: f.port.Number, Proto: f.port.Proto}
	s, found := f.count.Strongest()
	switch {
	case found && s == socket.Listening:
		v.Verdict, v.Why = Listening, f.whyListening()
	case found && s == socket.Bound:
		v.Verdict, v.Why = Bound, f.whyBound()
	case f.source.Err == nil && f.appeared():
		v.Verdict, v.Why = Listening, "nothing listened at first, and then something did: "+f.whyAnswered()
	case f.source.Err == nil && !found && f.inUse:
		v.Verdict, v.Why = Bound, "held by a socket that cannot be seen, and is in the way of binding"
	case f.source.Err == nil && (len(f.redirects) > 0 || f.redirected()):
		v.Verdict, v.Why = Redirected, f.whyRedirected()
	case f.source.Err == nil && !found && f.astray():
		v.Verdict, v.Why, v.Error = Unknown, f.unused(), "connections do not come to an end here, and not every NAT rule could be read: one may send them on"
	case f.source.Err == nil && len(f.elsewhere) > 0:
		v.Verdict, v.Why = Elsewhere, f.whyElsewhere()
	case found:
		v.Verdict, v.Why = Connected, "nothing listens"+f.connections()
	case f.source.Err != nil:
		v.Verdict, v.Why, v.Error = Unknown, "could not look", f.source.Err.Error()
	case f.unseen() && f.source.From == socket.FromProc: // a kernel that never tells such sockets has a caveat only
		v.Verdict, v.Why, v.Error = Unknown, f.unused(), idleUnseen
	default:
		v.Verdict, v.Why = Free, f.unused()
	}
	v.Caveats = f.caveats(v.Verdict)
	for _, c := range v.Caveats {
		if !strings.Contains(v.Why, c) {
			v.Why += "; " + c
		}
	}
	v.Why += f.alsoElsewhere(v.Verdict)
	v.Redirects, v.Trace = f.redirects, f.traces()
	v.Why += f.rules(v.Verdict)
	return v
}
