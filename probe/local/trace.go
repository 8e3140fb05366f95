package local

import (
	"fmt"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local/netns"
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

// coverage states what was tried.
func (t tracing) coverage(q socket.Query) []string {
	if !t.asked {
		return nil
	}
	if t.Unsupported {
		return []string{"--trace: not done on this system"}
	}
	var all []string
	if t.Made > 0 {
		all = append(all, fmt.Sprintf(
			"traced by %s from this machine, which NAT rules for what comes from outside do not touch",
			count(t.Made, "TCP connection", "TCP connections")))
	}
	if t.Left > 0 {
		all = append(all, fmt.Sprintf(
			"not traced: %d of %d addresses; %d is the most", t.Left, t.Made+t.Left, trace.MaxAttempts))
	}
	if len(q.Ports[probe.UDP]) > 0 {
		all = append(all, "UDP: not traced, because nothing answers a connection there")
	}
	if t.tries > trace.MaxTrials {
		all = append(all, fmt.Sprintf(
			"binding was tried for the first %d ports on which nothing listens", trace.MaxTrials))
	}
	return all
}

// redirected reports whether connections come to something else than a socket on the
// port.
func (f finding) redirected() bool {
	return slices.ContainsFunc(f.attempts, (*trace.Attempt).Redirected)
}

// appeared reports whether a socket on the port answered.
func (f finding) appeared() bool {
	return slices.ContainsFunc(f.attempts, func(a *trace.Attempt) bool { return a.Answered() && !a.Redirected() })
}

// newTrace is the record of an attempt.
func newTrace(a *trace.Attempt, o owner.Owners) trace.Trace {
	t := trace.Trace{To: a.To.String(), Outcome: a.Outcome, Behind: a.Behind}
	if a.Backend.IsValid() {
		t.Backend = a.Backend.String()
	}
	owners, s := a.Owners(o)
	t.Owners = owners
	var l Listener
	if s.Local.IsValid() {
		l = newListener(s, o)
	}
	l.Owners = owners
	by := holder(l)
	if a.Backend.IsValid() && a.Backend != a.To {
		by += " on " + a.Backend.String()
	}
	t.Said = attemptText(a, by)
	if t.Behind != nil {
		t.Said += "; behind it: " + behindText(*t.Behind)
	}
	return t
}

// attemptText states what came of an attempt that something answered.
func attemptText(a *trace.Attempt, by string) string {
	although := ""
	if a.Listening {
		although = ", although a socket listens there"
	}
	switch a.Outcome {
	case trace.Accepted:
		return fmt.Sprintf("%s is answered by %s", a.To, by)
	case trace.Waiting:
		return fmt.Sprintf("%s: the kernel accepted, the application has not: %s", a.To, by)
	case trace.Closed:
		return fmt.Sprintf("%s is answered by %s, which closes the connection at once", a.To, by)
	case trace.Reset:
		return fmt.Sprintf("%s is answered by %s, which resets the connection at once", a.To, by)
	case trace.Outside:
		return fmt.Sprintf("%s answers from outside this network namespace, or from behind source NAT", a.To)
	case trace.Answered:
		return fmt.Sprintf("%s is answered; by whom could not be seen: %v", a.To, a.Err)
	case trace.Refused:
		if a.Listening {
			although += ": a firewall resets them, most likely"
		}
		return fmt.Sprintf("%s refuses connections%s", a.To, although)
	case trace.Rejected:
		return fmt.Sprintf("%s: a firewall rejects connections (%v)%s", a.To, a.Err, although)
	case trace.Silent:
		if a.Listening {
			although += ": a firewall drops them, or the accept queue is full"
		}
		return fmt.Sprintf("%s does not answer within %s%s", a.To, trace.ConnectTimeout, although)
	}
	return fmt.Sprintf("%s was not connected to: %v", a.To, a.Err)
}

// behindText is "nginx (pid 12, root) on 172.17.0.2:80 in network namespace web".
func behindText(b trace.Behind) string {
	text := holder(Listener{Owners: b.Owners}) + " on " + b.Address
	if b.NetNS != "" && b.NetNS != netns.Host {
		text += " in network namespace " + printable(b.NetNS)
	}
	return text
}

// whyAnswered is the why of a port on which nothing listens and which answers.
func (f finding) whyAnswered() string {
	var parts []string
	for _, a := range f.attempts {
		if a.Answered() {
			parts = append(parts, newTrace(a, f.owners).Said)
		}
	}
	return strings.Join(parts, "; ")
}

// traces is the records of the attempts, in order.
func (f finding) traces() []trace.Trace {
	var all []trace.Trace
	for _, a := range f.attempts {
		all = append(all, newTrace(a, f.owners))
	}
	return all
}

// proxyText is the address or the socket to which a proxy passes a port on.
func proxyText(t owner.ProxyTarget) string {
	switch {
	case t.Kubernetes:
		return "a Kubernetes service"
	case t.Socket != "":
		return printable("the socket " + t.Socket)
	}
	return printable(t.Address)
}

// proxied names what the sockets of a proxy pass on to.
func proxied(sockets []Listener) string {
	var targets []string
	for _, l := range sockets {
		if l.ProxyFor != "" && !slices.Contains(targets, l.ProxyFor) {
			targets = append(targets, l.ProxyFor)
		}
	}
	if len(targets) == 0 {
		return ""
	}
	return ", a proxy for " + some(targets, " and ", "other", "others")
}
