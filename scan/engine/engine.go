package engine

import (
	"context"
	"net/netip"
	"time"

	"onmux/probe"
)

const (
	// MaxTries bounds how often one endpoint is asked: the verdict byte has
	// four bits for it.
	MaxTries = 15

	// Flows is how many control probes to one endpoint have different tries, from
	// MaxTries+1 on.
	Flows = 32

	// MaxBatch is how many probes an engine is given at once: enough to make
	// locks and system calls cheap, few enough for one time to stand for all of
	// them.
	MaxBatch = 256

	// BusyTimeout is how long a machine that is out of resources may stay so
	// before the probes that it could not send are reported as unknown.
	BusyTimeout = 30 * time.Second
)

// Probe is one question to send: the endpoint, its index in the plan, which an
// answer returns, and which try it is.
type Probe struct {
	Index    uint64
	Endpoint probe.Endpoint
	// 1 … MaxTries, or of a control probe MaxTries+1 … MaxTries+Flows: each by a source port of its own
	Try  int
	Wait time.Duration // how long an answer is of use; an engine may forget the probe then
}

// Answer is what came back for a probe. Silence is never delivered: the caller
// concludes it. Reason and Responder make the verdict; the rest of the Result is
// kept as evidence, and the caller fills in its Endpoint, Host, State and Tries.
// Result.RTT may be zero; the caller then computes it from At and from when that
// index was sent, if it is certain which try was answered.
type Answer struct {
	Index uint64
	Try   int // which try it answers; 0 if the engine cannot know; above MaxTries if it is a control probe
	At    time.Time
	probe.Result

	// Unsent: the probe never left this machine, because its next hop did not answer. It
	// is no try.
	Unsent bool

	// Neighbor: the target answered ARP or NDP, and no more is known yet. All but Index,
	// Try and At is empty.
	Neighbor bool
}

// Sender sends probes. See Engine.Send.
type Sender interface {
	Send(ctx context.Context, batch []Probe) (int, error)
}

// Parallel is an Engine that can send from several goroutines at the same time,
// one for each of its Senders. Engine.Send is that of the first.
type Parallel interface {
	Engine
	Senders() []Sender
}

// Engine sends probes and receives answers, and decides nothing else. Send and
// Receive are called from one goroutine each, at the same time; Close from a
// third.
type Engine interface {
	// Methods names how each protocol is asked: "connect", "syn", "udp", "udp-raw".
	Methods() map[probe.Proto]string

	// Send sends a probe for each element of batch, in order, and returns how
	// many left. It may block while the engine is at a limit of its own. A
	// short count comes with an error: one that wraps probe.ErrBusy asks the
	// caller to slow down and offer the rest again; any other ends the scan.
	Send(ctx context.Context, batch []Probe) (int, error)

	// Receive blocks until at least one answer is there, fills buf and returns
	// how many. It returns io.EOF when the engine was closed and all answers
	// were delivered, and the context's error when that ends.
	Receive(ctx context.Context, buf []Answer) (int, error)

	// Pending is how many probes may still be answered within their Wait, or
	// a negative number if the engine does not count them. It lets a drain end
	// early when nothing is outstanding, so an answer counts until the call of
	// Receive after the one that delivered it. Any goroutine may call it.
	Pending() int

	// Close gives up what is outstanding and frees everything. Receive then
	// delivers what is left and returns io.EOF. Closing again does nothing.
	Close() error
}

// Revalidator is an Engine that can look up its next hops again. The scan asks
// for that when a pass begins and when endpoints that used to answer have
// stopped; it does not wait for the result. Any goroutine may call Revalidate.
type Revalidator interface{ Revalidate() }

// PathState is whether the next hop of a Path answers ARP or NDP.
type PathState uint8

// The states.
const (
	PathDirect  PathState = iota // there is no next hop that could be asked
	PathAlive                    // it answers
	PathUnclear                  // it is being asked
	PathDead                     // it does not answer
)

// Path is a way out of this machine.
type Path struct {
	NextHop netip.Addr // not valid where targets are on the link itself
	Device  string
	State   PathState
}

// Router is an Engine that knows by which way its probes leave. Any goroutine may call
// its methods.
type Router interface {
	Paths() []Path         // of which the number and order never change
	Path(index uint64) int // the place of the one to a target
}

// Neighbors is an Engine that resolves the hardware addresses of targets on the same link.
type Neighbors interface {
	// MAC is that of an address, as "52:54:00:12:34:56", or "" if it is not known.
	MAC(netip.Addr) string
}
