package local

import (
	"slices"
	"time"

	"onmux/probe"
	"onmux/probe/local/bpf"
	"onmux/probe/local/firewall"
	"onmux/probe/local/nat"
	"onmux/probe/local/ruleset"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
)

// Facts is all that is known of one port. Judge concludes the verdict from it, and
// report/phrase writes the sentences about it.
type Facts struct {
	Port  probe.Port
	NetNS string // Listener.NetNS of the sockets looked at

	Sockets
	Elsewhere Elsewheres
	NAT       Rules
	Programs  Programs
	Firewall  []firewall.Outcome // nil if it is not known what it does
	Answers   []Answer           // to connections that were made
	Bind      Bind

	Caveats []Caveat  // set by Judge
	Release []Release // set by Judge: what would free the port
}

// Sockets is what was seen of the sockets that use a port.
type Sockets struct {
	Source    socket.Source
	Counts    socket.Counts
	CloseWait int           // connections that the peer has closed, and the process that holds them has not
	TimeWait  time.Duration // the longest that is left of one in TIME_WAIT
	Listeners []Listener    // in the state of the verdict, and bound ones beside listeners; a bounded number
	NoOwner   NoOwner       // why a socket has no owner
	Overflows uint64        // see socket.Survey
}

// Elsewheres is what was seen of the port in other network namespaces.
type Elsewheres struct {
	Namespaces []Namespace // in which a socket holds it
	Incomplete bool        // not all could be looked at
}

// Namespace is the sockets that hold a port in a network namespace.
type Namespace struct {
	Name      string // Listener.NetNS
	Listeners []Listener
}

// Rules is what NAT rules do to what arrives for a port.
type Rules struct {
	Redirects  []nat.Redirect
	Unknown    []ruleset.Rule // that cover the port and were not understood
	Incomplete bool           // not all could be read
}

// Programs is what else than rules may send on what arrives for a port.
type Programs struct {
	Unknown    []bpf.Program // that may decide about it, in a way that is not known
	Incomplete bool          // not all programs could be listed
	Raw        bool          // a raw socket receives all packets of the protocol, and may answer
	Services   bool          // the load balancer takes packets by a mark, or its services could not be read
}

// undecided reports whether something else than rules may have sent packets on.
func (p Programs) undecided() bool { return len(p.Unknown) > 0 || p.Incomplete || p.Services }

// Answer is what came of one connection to the port.
type Answer struct {
	*trace.Attempt
	Listener Listener // that answered, as far as it is known
}

// Bind is what is known about binding the port.
type Bind struct {
	Obstacles []Obstacle
	Trials    trace.BindTrials
	InUse     bool // a socket was in the way of a trial, seen or not
	Below     int  // the ports below it need a privilege; 0 if not known
}

// NoOwner is why a socket has no owner; "" if owners were not looked for.
type NoOwner string

// The reasons.
const (
	OwnerUnreadable NoOwner = "unreadable" // there are processes that could not be read
	NoProcess       NoOwner = "no process" // none of this machine holds it
	OutsideOwner    NoOwner = "outside"    // none of the caller's PID namespace holds it
)

// Cause is what a verdict was concluded from.
type Cause string

// The causes.
const (
	SeenSocket      Cause = "socket"           // Listening, Bound or Connected: it was seen
	Appeared        Cause = "appeared"         // Listening: nothing did at first, and then a connection was answered
	UnseenSocket    Cause = "unseen socket"    // Bound: it was in the way of binding
	SentOn          Cause = "sent on"          // Redirected: by NAT rules, or as a connection shows
	LostConnections Cause = "lost connections" // Unknown: a NAT rule that was not read may send them on
	OtherNamespace  Cause = "other namespace"  // Elsewhere
	NotRead         Cause = "not read"         // Unknown: the sockets could not be read
	BoundNotListed  Cause = "bound not listed" // Unknown: the source does not list bound sockets, and better ones do
	NothingFound    Cause = "nothing"          // Free
	Interrupted     Cause = "interrupted"      // Unknown: the context ended
	TimedOut        Cause = "timed out"        // Unknown: the context's deadline has passed
)

// Caveat is what could not be looked at, and might make another verdict.
type Caveat string

// The caveats.
const (
	BoundUnseen      Caveat = "bound sockets"      // that do not listen are not listed
	NamespacesUnseen Caveat = "network namespaces" // of which not all could be looked at
	RulesUnread      Caveat = "nat rules"          // of which not all could be read
	RulesUnknown     Caveat = "unknown nat rules"  // that cover the port and were not understood
	ProgramsUnread   Caveat = "bpf programs"       // which could not be listed
	ProgramsUnknown  Caveat = "unknown programs"   // of BPF, which may decide about the port
	ServicesUnknown  Caveat = "ipvs services"      // by mark, or which could not be read
	RawSockets       Caveat = "raw sockets"        // that receive what comes for every port
)

// Judge concludes the verdict on a port. A socket that was seen is a fact, whatever
// else could not be read; that none was seen is one only if everything could be.
func Judge(f Facts) Verdict {
	v := Verdict{Port: f.Port.Number, Proto: f.Port.Proto, Redirects: f.NAT.Redirects, Firewall: f.Firewall}
	state, found := f.Counts.Strongest()
	read := f.Source.Err == nil
	switch {
	case found && state <= socket.Bound:
		v.Verdict, v.Cause = wordOf(state), SeenSocket
	case read && f.appeared():
		v.Verdict, v.Cause = Listening, Appeared
	case read && !found && f.Bind.InUse:
		v.Verdict, v.Cause = Bound, UnseenSocket
	case read && (len(f.NAT.Redirects) > 0 || f.redirected()):
		v.Verdict, v.Cause = Redirected, SentOn
	case read && !found && f.lostConnections():
		v.Verdict, v.Cause = Unknown, LostConnections
	case read && len(f.Elsewhere.Namespaces) > 0:
		v.Verdict, v.Cause = Elsewhere, OtherNamespace
	case found:
		v.Verdict, v.Cause = Connected, SeenSocket
	case !read:
		v.Verdict, v.Cause = Unknown, NotRead
	case f.BoundUnseen() && f.Source.From == socket.FromProc: // of a kernel that lists none it is a caveat
		v.Verdict, v.Cause = Unknown, BoundNotListed
	default:
		v.Verdict, v.Cause = Free, NothingFound
	}
	f.Caveats, f.Release = f.caveats(v.Verdict), f.release(v.Verdict)
	v.Facts = &f
	return v
}

// ByAnswers reports whether the verdict was concluded from answers to connections.
func (v Verdict) ByAnswers() bool {
	return v.Cause == Appeared || v.Cause == SentOn && len(v.Redirects) == 0
}

// caveats is what was not seen of all that would make a stronger verdict.
func (f Facts) caveats(word Word) (all []Caveat) {
	if word == Unknown {
		return nil // which claims nothing
	}
	add := func(stronger Word, applies bool, c Caveat) {
		if applies && slices.Index(Words(), word) > slices.Index(Words(), stronger) {
			all = append(all, c)
		}
	}
	add(Bound, f.BoundUnseen(), BoundUnseen)
	add(Elsewhere, f.Elsewhere.Incomplete, NamespacesUnseen)
	add(Redirected, f.NAT.Incomplete, RulesUnread)
	add(Redirected, len(f.NAT.Unknown) > 0, RulesUnknown)
	add(Redirected, f.Programs.Incomplete, ProgramsUnread)
	add(Redirected, len(f.Programs.Unknown) > 0, ProgramsUnknown)
	add(Redirected, f.Programs.Services, ServicesUnknown)
	add(Redirected, f.Programs.Raw, RawSockets)
	return all
}

// BoundUnseen reports whether a socket that is bound and does not listen may hold
// the port, as far as is known.
func (f Facts) BoundUnseen() bool { return f.Source.NoBound && !f.Bind.Trials.Free() }

// lostConnections reports whether connections went to where a rule that could not
// be read may have sent them. That the port is free does not explain it: where
// nothing listens, the kernel refuses by a reset (RFC 9293, section 3.10.7.1).
func (f Facts) lostConnections() bool {
	return (f.NAT.Incomplete || len(f.NAT.Unknown) > 0 || f.Programs.undecided()) &&
		slices.ContainsFunc(f.Answers, func(a Answer) bool {
			return a.Outcome == trace.Silent || a.Outcome == trace.Rejected
		})
}

// redirected reports whether connections come to something else than a socket on
// the port.
func (f Facts) redirected() bool {
	return slices.ContainsFunc(f.Answers, func(a Answer) bool { return a.Redirected() })
}

// appeared reports whether a socket on the port answered.
func (f Facts) appeared() bool {
	return slices.ContainsFunc(f.Answers, func(a Answer) bool { return a.Answered() && !a.Redirected() })
}
