package local

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// Bounds of a trace.
const (
	traceTimeout  = time.Second            // for one connection
	tracePatience = 250 * time.Millisecond // for the application to accept what the kernel has
	traceBatch    = 128                    // connections at a time
	maxTraced     = 2048                   // connections in all
	maxAddresses  = 4                      // of one port
)

// Outcome is what came of connecting to a port of this machine.
type Outcome string

// The outcomes.
const (
	Accepted Outcome = "accepted" // by the application
	Waiting  Outcome = "waiting"  // the kernel accepted, the application has not
	Closed   Outcome = "closed"   // accepted and closed at once
	Reset    Outcome = "reset"    // accepted and reset at once
	Outside  Outcome = "outside"  // answered by no socket of this network namespace
	Answered Outcome = "answered" // by whom could not be seen
	Refused  Outcome = "refused"  // by a TCP reset
	Rejected Outcome = "rejected" // by an ICMP error
	Silent   Outcome = "silent"   // no answer in time
	Failed   Outcome = "failed"   // it could not be tried
)

// Outcomes lists them all.
func Outcomes() []Outcome {
	return []Outcome{Accepted, Waiting, Closed, Reset, Outside, Answered, Refused, Rejected, Silent, Failed}
}

// Trace is one connection to a port, made to see who answers.
type Trace struct {
	To      string        `json:"to"` // "127.0.0.1:417"
	Outcome Outcome       `json:"outcome"`
	Backend string        `json:"backend,omitempty"` // where the socket is that answered, "127.0.0.1:8417"
	Owners  []owner.Owner `json:"owners,omitempty"`  // who holds that
	Behind  *Behind       `json:"behind,omitempty"`  // where that is a proxy: who listens where it passes on to
	Said    string        `json:"said"`              // all of it in words
}

// attempt is a Trace that is being made.
type attempt struct {
	port    probe.Port
	to      netip.AddrPort
	heard   bool // a socket listens there
	outcome Outcome
	err     error
	backend netip.AddrPort
	end     socket.Socket   // of the connection at the backend; without an inode no process has it
	behind  []socket.Socket // listeners on the backend's port
	onward  *Behind
}

// tracing is all attempts; the zero value: nobody asked.
type tracing struct {
	asked    bool
	of       map[probe.Port][]*attempt
	coverage []string
	tried    int             // ports that were bound
	ours     map[uint16]bool // ports of the connections' own ends, which are in the way of binding those
	close    func()          // ends the connections, which are held until the owners are known
}

func (t tracing) end() {
	if t.close != nil {
		t.close()
	}
}

// held is the sockets whose owners are the backends.
func (t tracing) held() []socket.Socket {
	var all []socket.Socket
	for _, tries := range t.of {
		for _, a := range tries {
			for _, s := range append(slices.Clone(a.behind), a.end) {
				if s.Holder != 0 {
					all = append(all, s)
				}
			}
		}
	}
	return all
}

// away reports whether something other than a socket on the port itself
// answered, as far as that is known.
func (a *attempt) away() bool {
	return a.answered() && a.backend.Port() != a.port.Number
}

// sentOn reports whether connections come to something else than a socket on
// the port.
func (f finding) sentOn() bool { return slices.ContainsFunc(f.attempts, (*attempt).away) }

// appeared reports whether a socket on the port answered.
func (f finding) appeared() bool {
	return slices.ContainsFunc(f.attempts, func(a *attempt) bool { return a.answered() && !a.away() })
}

// answered reports whether a connection came about.
func (a *attempt) answered() bool {
	return slices.Contains([]Outcome{Accepted, Waiting, Closed, Reset, Outside, Answered}, a.outcome)
}

// trace tells an attempt.
func (a *attempt) trace(o owner.Owners) Trace {
	t := Trace{To: a.to.String(), Outcome: a.outcome}
	if a.backend.IsValid() {
		t.Backend = a.backend.String()
	}
	var l Listener
	t.Owners, l = a.owners(o)
	by := holder(l)
	on := ""
	if a.backend.IsValid() && a.backend != a.to {
		on = " on " + a.backend.String()
	}
	t.Said = a.say(by, on)
	if t.Behind = a.onward; t.Behind != nil {
		t.Said += "; behind it: " + t.Behind.String()
	}
	return t
}

// owners is who answered, or else who listens there, with the socket.
func (a *attempt) owners(o owner.Owners) ([]owner.Owner, Listener) {
	l := Listener{Owners: o.Of[a.end.Holder]}
	for _, s := range a.behind {
		if len(l.Owners) == 0 {
			l = newListener(s, o)
		}
	}
	return l.Owners, l
}

func (a *attempt) say(by, on string) string {
	although := ""
	if a.heard {
		although = ", although a socket listens there"
	}
	switch a.outcome {
	case Accepted:
		return fmt.Sprintf("%s is answered by %s%s", a.to, by, on)
	case Waiting:
		return fmt.Sprintf("%s: the kernel accepted%s, the application has not: %s", a.to, on, by)
	case Closed:
		return fmt.Sprintf("%s is answered by %s%s, which closes the connection at once", a.to, by, on)
	case Reset:
		return fmt.Sprintf("%s is answered by %s%s, which resets the connection at once", a.to, by, on)
	case Outside:
		return fmt.Sprintf("%s answers from outside this network namespace, or from behind source NAT", a.to)
	case Answered:
		return fmt.Sprintf("%s is answered; by whom could not be seen: %v", a.to, a.err)
	case Refused:
		if a.heard {
			although += ": a firewall resets them, most likely"
		}
		return fmt.Sprintf("%s refuses connections%s", a.to, although)
	case Rejected:
		return fmt.Sprintf("%s: a firewall rejects connections (%v)%s", a.to, a.err, although)
	case Silent:
		if a.heard {
			although += ": a firewall drops them, or the accept queue is full"
		}
		return fmt.Sprintf("%s does not answer within %s%s", a.to, traceTimeout, although)
	}
	return fmt.Sprintf("%s was not connected to: %v", a.to, a.err)
}

// whyAnswered is the why of a port on which nothing listens and which answers.
func (f finding) whyAnswered() string {
	var parts []string
	for _, a := range f.attempts {
		if a.answered() {
			parts = append(parts, a.trace(f.owners).Said)
		}
	}
	return strings.Join(parts, "; ")
}

// traces tells the attempts, in order.
func (f finding) traces() []Trace {
	var out []Trace
	for _, a := range f.attempts {
		out = append(out, a.trace(f.owners))
	}
	return out
}
