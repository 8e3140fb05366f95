package scan

import (
	"context"
	"time"

	"onmux/probe"
)

// Probe is one question that the sweep owes: the endpoint, its index in the
// plan, which an answer brings back, and which try it is.
type Probe struct {
	Index    uint64
	Endpoint probe.Endpoint
	Try      int           // 1 … MaxTries
	Wait     time.Duration // how long an answer is of use; an engine may forget the probe then
}

// Answer is what came back for a probe. Silence is never delivered: the sweep
// concludes it. Reason and Responder make the verdict; what else the Result says
// is kept as evidence, and its Endpoint, Host, State and Tries are the sweep's to
// fill in. Result.RTT may be zero; the sweep then takes it from At and from when
// that index was sent, if it is certain which try was answered.
type Answer struct {
	Index uint64
	Try   int // which try it answers; 0 if the engine cannot tell
	At    time.Time
	probe.Result
}

// Sender lets probes leave. See Engine.Send.
type Sender interface {
	Send(ctx context.Context, batch []Probe) (int, error)
}

// Parallel is an Engine that can send from several goroutines at the same time,
// one for each of its Senders. Engine.Send is that of the first.
type Parallel interface {
	Engine
	Senders() []Sender
}

// Engine is the seam between the sweep and the network: probes leave, answers
// come back, and nothing else is decided here. Send and Receive are called from
// one goroutine each, at the same time; Close from a third.
type Engine interface {
	// Methods names how each protocol is asked: "connect", "syn", "udp", "udp-raw".
	Methods() map[probe.Proto]string

	// Send emits a probe for each element of batch, in order, and returns how
	// many left. It may block while the engine is at a limit of its own. A
	// short count comes with an error: one that wraps probe.ErrBusy asks the
	// sweep to slow down and offer the rest again; any other ends the sweep.
	Send(ctx context.Context, batch []Probe) (int, error)

	// Receive blocks until at least one answer is there, fills buf and returns
	// how many. It returns io.EOF when the engine was closed and all was
	// delivered, and the context's error when that ends.
	Receive(ctx context.Context, buf []Answer) (int, error)

	// Pending is how many probes may still be answered within their Wait, or
	// a negative number if the engine keeps no account. It lets a drain end
	// early when nothing is outstanding, so an answer counts until the call of
	// Receive after the one that delivered it. Any goroutine may call it.
	Pending() int

	// Close gives up what is outstanding and frees everything. Receive then
	// drains to io.EOF. Closing again does nothing.
	Close() error
}
