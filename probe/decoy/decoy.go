package decoy

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"onmux/probe"
)

// Options bound the functions of this package.
type Options struct {
	Timeout  time.Duration // for each connection; must be > 0
	RTT      time.Duration // as measured, to wait no longer than needed; 0: not known
	Controls []uint16      // ports to probe besides; nil: controlPorts of them at random
}

const (
	controlPorts = 4
	controlMin   = 3 // with fewer that were measured, nothing is concluded about every port
	controlFirst = 20000
	controlLast  = 60999

	greetFor  = 400 * time.Millisecond // a service that greets does so by then, and four round trips
	answerFor = time.Second            // from when data was sent to it
	ackFor    = 500 * time.Millisecond // the longest that TCP may delay an acknowledgement (RFC 9293, section 3.8.6.3)
)

// Verify examines e, which is known to be open: it observes one connection, as Observe
// does, and probes other ports of the host, as ProbeControls does.
//
// The error is non-nil only if nothing is known: it wraps probe.ErrBusy or is the
// context's.
func Verify(ctx context.Context, e probe.Endpoint, o Options) (probe.Openness, error) {
	var found probe.Openness
	var observing sync.WaitGroup
	var observeErr error
	if err := probe.Validate(e, probe.Options{Timeout: o.Timeout}); err != nil {
		return found, err
	}
	observing.Go(func() { found.Behavior, observeErr = Observe(ctx, e, o) })
	controls, err := ProbeControls(ctx, e, o)
	observing.Wait()
	found.Controls, found.Answered, found.Everywhere = controls.Controls, controls.Answered, controls.Everywhere
	if found.Controls == 0 {
		return found, errors.Join(err, observeErr)
	}
	return found, observeErr
}

// ProbeControls probes ports of e's host on which nothing should answer. Behavior is
// left empty. The error is non-nil only if none could be probed.
func ProbeControls(ctx context.Context, e probe.Endpoint, o Options) (probe.Openness, error) {
	if err := probe.Validate(e, probe.Options{Timeout: o.Timeout}); err != nil {
		return probe.Openness{}, err
	}
	controls := o.Controls
	if controls == nil {
		controls = randomPorts(e.Port)
	}
	var found probe.Openness
	var all sync.WaitGroup
	states, errs := make([]probe.State, len(controls)), make([]error, len(controls))
	for i, port := range controls {
		all.Go(func() {
			control := probe.Endpoint{Addr: e.Addr, Port: port, Proto: e.Proto}
			var r probe.Result
			r, errs[i] = probe.Do(ctx, control, probe.Options{Timeout: o.Timeout})
			states[i] = r.State
		})
	}
	all.Wait()
	for i, s := range states {
		if errs[i] == nil && s != probe.Unknown {
			found.Controls++
		}
		if s == probe.Open {
			found.Answered++
		}
	}
	found.Everywhere = found.Controls >= controlMin && found.Answered == found.Controls
	if found.Controls == 0 {
		return found, errors.Join(errs...)
	}
	return found, nil
}

// randomPorts are ports without a registered service that is common.
func randomPorts(except uint16) []uint16 {
	var out []uint16
	for len(out) < controlPorts {
		p := uint16(controlFirst + rand.N(controlLast-controlFirst+1))
		if p != except && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// Observe makes one connection to e, sends a CRLF if e sends nothing, and reports what e
// does; over UDP there is no connection. Conditions and errors are those of Verify.
func Observe(ctx context.Context, e probe.Endpoint, o Options) (probe.Behavior, error) {
	if e.Proto != probe.TCP {
		return "", nil
	}
	deadline := time.Now().Add(o.Timeout)
	d := net.Dialer{Deadline: deadline, KeepAlive: -1}
	c, err := d.DialContext(ctx, "tcp", e.AddrPort().String())
	switch {
	case err != nil && ctx.Err() != nil:
		return "", ctx.Err()
	case probe.IsReset(err):
		return probe.ResetsAtOnce, nil
	case probe.IsBusy(err):
		return "", errors.Join(probe.ErrBusy, err)
	case err != nil:
		return probe.Unconfirmed, nil // it was open a moment ago
	}
	conn := c.(*net.TCPConn)
	defer conn.Close()
	_ = conn.SetLinger(0)
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	half := time.Now().Add(o.Timeout / 2) // the rest is for what follows the CRLF
	b, decided := read(conn, earliest(half, greetFor+4*o.RTT), probe.ClosesAtOnce, probe.ResetsAtOnce)
	if decided || ctx.Err() != nil {
		return b, ctx.Err()
	}
	if window, known := probe.PeerWindow(conn); known && window == 0 {
		return probe.ZeroWindow, nil
	}
	if _, err := conn.Write([]byte("\r\n")); err != nil {
		return probe.ResetsAtOnce, ctx.Err()
	}
	sent := time.Now()
	b, decided = read(conn, earliest(deadline, answerFor+4*o.RTT), probe.ClosesOnData, probe.ResetsOnData)
	if decided || ctx.Err() != nil {
		return b, ctx.Err()
	}
	if unacknowledged, known := probe.HasUnacknowledged(conn); known && unacknowledged && time.Since(sent) >= ackFor {
		return probe.NeverAcknowledges, nil
	}
	return probe.StaysSilent, nil
}

func earliest(deadline time.Time, wait time.Duration) time.Time {
	if t := time.Now().Add(wait); t.Before(deadline) {
		return t
	}
	return deadline
}

// read waits for data or for the end of the connection: closed is what a FIN means, reset
// what a RST means. It is not decided if neither came.
func read(conn net.Conn, until time.Time, closed, reset probe.Behavior) (b probe.Behavior, decided bool) {
	if conn.SetReadDeadline(until) != nil {
		return "", false
	}
	var first [1]byte
	n, err := conn.Read(first[:])
	switch {
	case n > 0:
		return probe.SendsData, true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "", false
	case errors.Is(err, syscall.ETIMEDOUT):
		return probe.NeverAcknowledges, true
	case probe.IsReset(err):
		return reset, true
	}
	return closed, true
}
