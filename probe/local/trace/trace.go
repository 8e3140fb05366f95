package trace

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// Bounds of a trace.
const (
	ConnectTimeout = time.Second // for one connection
	MaxAttempts    = 2048        // connections in all
	MaxTrials      = 256         // ports that are bound
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
	Answered Outcome = "answered" // by which socket could not be found
	Refused  Outcome = "refused"  // by a TCP reset
	Rejected Outcome = "rejected" // by an ICMP error
	Silent   Outcome = "silent"   // no answer in time
	Failed   Outcome = "failed"   // it could not be tried
)

// Answered reports whether a connection came about.
func (o Outcome) Answered() bool {
	return slices.Contains([]Outcome{Accepted, Waiting, Closed, Reset, Outside, Answered}, o)
}

// Trace is one connection to a port, as a verdict of a report has it.
type Trace struct {
	To      string        `json:"to"` // "127.0.0.1:417"
	Outcome Outcome       `json:"outcome"`
	Backend string        `json:"backend,omitempty"` // where the socket is that answered, "127.0.0.1:8417"
	Owners  []owner.Owner `json:"owners,omitempty"`  // who holds that
	Behind  *owner.Behind `json:"behind,omitempty"`  // where that is a proxy: who listens where it passes on to
	Text    string        `json:"said"`              // all of it in words
}

// Attempt is one connection that was made, or that could not be made.
type Attempt struct {
	Port      probe.Port
	To        netip.AddrPort
	Listening bool // a socket listens there
	Outcome   Outcome
	Err       error // of Failed, Rejected and Answered
	Backend   netip.AddrPort
	End       socket.Socket   // of the connection at the backend; without an inode no process has it
	Listeners []socket.Socket // on the backend's port
	Steered   bool            // nothing listens where the backend is
	Behind    *owner.Behind
}

// ErrForeign means that a socket listens at an address that is not this machine's, to
// which nothing is sent.
var ErrForeign = errors.New("it is not an address of this machine")

// DeviceError means that a socket is bound to a device, which connections from this
// machine do not arrive by.
type DeviceError struct{ Device string }

func (e *DeviceError) Error() string {
	name := e.Device
	if q := strconv.Quote(name); q != `"`+name+`"` {
		name = q
	}
	return "it listens on device " + name + " only"
}

// Answered reports whether a connection came about.
func (a *Attempt) Answered() bool { return a.Outcome.Answered() }

// Redirected reports whether something other than a socket on the port itself
// answered, as far as that is known.
func (a *Attempt) Redirected() bool {
	return a.Answered() && (a.Steered || a.Backend.Port() != a.Port.Number)
}

// Owners is who holds the socket that answered, or else who listens there, with the
// listening socket.
func (a *Attempt) Owners(o owner.Owners) ([]owner.Owner, socket.Socket) {
	found := o.Of[a.End.Holder]
	var listener socket.Socket
	for _, s := range a.Listeners {
		if len(found) == 0 {
			found, listener = o.Of[s.Holder], s
		}
	}
	return found, listener
}

// Result is all attempts; the zero value: nothing was tried.
type Result struct {
	Attempts    map[probe.Port][]*Attempt
	Made        int             // addresses that were connected to
	Left        int             // addresses that were not, because there are too many
	Unsupported bool            // this system does not list whose socket has which peer
	OwnPorts    map[uint16]bool // of the connections' own ends, which are in the way of binding those ports

	close func() // ends the connections, which are held until the owners are known
}

// Close ends the connections.
func (r Result) Close() {
	if r.close != nil {
		r.close()
	}
}

// Sockets is the sockets whose owners are those of the backends.
func (r Result) Sockets() []socket.Socket {
	var all []socket.Socket
	for _, attempts := range r.Attempts {
		for _, a := range attempts {
			for _, s := range append(slices.Clone(a.Listeners), a.End) {
				if s.Holder != 0 {
					all = append(all, s)
				}
			}
		}
	}
	return all
}

// BindOutcome is what came of binding a port.
type BindOutcome string

// The outcomes of binding.
const (
	Bound       BindOutcome = "bound"
	BoundShared BindOutcome = "bound with SO_REUSEADDR" // and not without
	NoIPv6      BindOutcome = "no IPv6"
	NotBound    BindOutcome = "not bound" // for Err
)

// BindFamily is which addresses a trial was for.
type BindFamily string

// The families of a trial.
const (
	IPv4 BindFamily = "ipv4"
	IPv6 BindFamily = "ipv6" // alone
	Dual BindFamily = "dual"
)

// BindTrial is one socket that was bound to a port at every address of a family, and
// closed at once.
type BindTrial struct {
	Family  BindFamily
	Outcome BindOutcome
	Err     error // of a socket that does not share the port

	InUse      bool // another socket has the port
	Privileged bool // it takes a privilege
}

// BindTrials is what came of binding a port; nil: it was not tried.
type BindTrials []BindTrial

// InUse reports whether another socket has the port.
func (b BindTrials) InUse() bool {
	return slices.ContainsFunc(b, func(t BindTrial) bool { return t.InUse })
}

// Free reports whether nothing was in the way.
func (b BindTrials) Free() bool {
	return b != nil && !slices.ContainsFunc(b, func(t BindTrial) bool { return t.Outcome != Bound && t.Outcome != NoIPv6 })
}
