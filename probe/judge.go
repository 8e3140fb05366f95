package probe

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"time"

	"onmux/probe/wording"
)

// fault is what an error number of the operating system means to an attempt.
type fault uint8

const (
	faultOther       fault = iota
	faultBusy              // temporarily out of something
	faultRefused           // a RST, or a port unreachable
	faultReset             // the connection was there and the peer ended it
	faultHostUnreach       // no route to the host
	faultNetUnreach        // no route to the network
	faultTimedOut          // the kernel gave up waiting
	faultDenied            // a firewall or policy of this machine
)

// unmeasured is the Result of an attempt that this machine could not make.
func unmeasured(e Endpoint, why string) Result {
	return Result{Endpoint: e, State: Unknown, Reason: LocalError, Tries: 1, Error: why}
}

// failed judges an error of this machine, before anything was sent.
func failed(e Endpoint, err syscall.Errno) (Result, error) {
	if zone := e.Addr.Zone(); err == syscall.ENODEV && zone != "" {
		return unmeasured(e, fmt.Sprintf("no interface %q on this machine; name one that it has", zone)), nil
	}
	switch a := e.Addr; classify(err) {
	case faultBusy:
		return Result{}, busy(e, err)
	case faultNetUnreach, faultHostUnreach:
		return unmeasured(e, fmt.Sprintf("no route to %s from this machine (%v)", a, err)), nil
	case faultDenied:
		return unmeasured(e, fmt.Sprintf("this machine may not send to %s: a firewall or route of its own forbids it, "+
			"or it is a broadcast address (%v)", a, err)), nil
	}
	return unmeasured(e, fmt.Sprintf("cannot send to %s from this machine, perhaps by a route of its own (%v)",
		e.Addr, err)), nil
}

func busy(e Endpoint, why error) error { return fmt.Errorf("%s: %w: %w", e, ErrBusy, why) }

// judged is the Result of reason r after the time d.
func judged(e Endpoint, r Reason, fromTarget bool, d time.Duration) Result {
	res := Result{Endpoint: e, State: Verdict(e.Proto, r, fromTarget), Reason: r, Tries: 1}
	if r != NoResponse {
		res.Confidence = Medium
		if fromTarget {
			res.Confidence = High
		}
	}
	if r.IsAnswer() {
		res.RTT = Millis(d)
	}
	return res
}

// short writes d in words: "8 µs", "0.12 ms", "13.2 ms", "2 s".
func short(d time.Duration) string {
	number, unit := wording.Duration(d)
	return strings.TrimSuffix(number, ".0") + " " + unit
}

// Of a reply, maxReply bytes are read, and replySize are quoted.
const (
	maxReply  = 2 << 10
	replySize = 64
)

// replyFact is a reply of size bytes, of which b was read, after n datagrams of ours.
func replyFact(b []byte, size int, d time.Duration, n int) Fact {
	return Fact{
		Kind: FactReply, Data: bytes.Clone(b[:min(len(b), replySize)]), Size: size, After: Millis(d), Count: n,
	}
}
