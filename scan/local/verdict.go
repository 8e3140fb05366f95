package local

import (
	"cmp"
	"fmt"

	"onmux/probe"
)

// finding is all that is known of one port.
type finding struct {
	port      probe.Port
	count     [states]int
	listeners []Listener // behind the verdict, not more of them than tally bounds
	source    source
	where     string
	owners    owners
	redirects []Redirect
	attempts  []*attempt
	unread    []string // NAT rules that cover the port and could not be read
}

// verdict judges a port. A socket that was seen is a fact, whatever else could
// not be read; that none was seen is one only if everything could be.
func (f finding) verdict() Verdict {
	v := Verdict{Port: f.port.Number, Proto: f.port.Proto}
	t := tally{count: f.count}
	s, found := t.strongest()
	switch {
	case found && s == listening:
		v.Verdict, v.Why = Listening, f.whyListening()
	case found && s == bound:
		v.Verdict, v.Why = Bound, f.whyBound()
	case f.source.err == nil && f.appeared():
		v.Verdict, v.Why = Listening, "nothing listened at first, and then something did: "+f.whyAnswered()
	case f.source.err == nil && (len(f.redirects) > 0 || f.sentOn()):
		v.Verdict, v.Why = Redirected, f.whyRedirected()
	case found:
		v.Verdict, v.Why = Connected, "nothing listens"+f.connections()
	case f.source.err != nil:
		v.Verdict, v.Why, v.Error = Unknown, "could not look", f.source.err.Error()
	default:
		v.Verdict, v.Why = Free, fmt.Sprintf("no socket %s uses %s", cmp.Or(f.where, "on this machine"), f.port)
		if f.source.blind {
			v.Why += ", as far as can be seen: one that is bound and does not listen cannot"
		}
	}
	v.Redirects, v.Trace = f.redirects, f.traces()
	v.Why += f.rules(v.Verdict)
	return v
}
