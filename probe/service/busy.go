package service

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"onmux/probe/request"
)

// Some servers serve one connection at a time: the simple HTTP servers of
// scripting languages, openssl s_server, a daemon with few workers. A connection
// that only waits blocks all others there until it is closed.

// connections counts what the peer did with connections.
type connections struct {
	accepted int
	closes   int   // of them, ended by the peer before it sent anything
	resets   int   // of those, by a reset while nothing was sent: a close before all was read is a reset too
	refusals int   // in a row
	crowded  bool  // one stayed in the peer's queue
	err      error // the last failure to connect
}

// noteRefusal keeps why there was no connection. A peer that accepted others and leaves
// one in its queue has more of them than it can serve: that is no refusal.
func (c *connections) noteRefusal(err error, inside bool) {
	c.err = err
	var e net.Error
	if (c.accepted > 0 || inside) && errors.As(err, &e) && e.Timeout() {
		c.crowded = true
		return
	}
	c.refusals++
}

// stopWaiting closes the connections to a peer that has sent nothing on any, first the
// one that only waits, then the one where it has an HTTP request, so that it gets to those
// that are queued behind. A server that takes long to greet is waited for once more after
// that.
func (l *layer) stopWaiting(now time.Time, later func(time.Time) bool) (ready []*request.Request) {
	t, waits := l.running[&waiting]
	if !l.nothingReceived() || !waits && !l.waitStopped || waiting.UsualOn(l.port) {
		return nil
	}
	idle := l.start.Add(l.pace.idle)
	if later(idle) {
		return nil
	}
	if waits {
		t.cancel()
	}
	l.waitStopped = true
	if later(idle.Add(l.pace.turn)) {
		return nil
	}
	// On ports without another usual service nothing is as likely as HTTP.
	if t, ok := l.running[&request.HTTP]; ok && l.first == nil && isUsualForOther(l.port) {
		t.cancel()
	}
	if l.willWaitAgain() && !later(l.waitAgainAt()) {
		l.waitRestarted = true
		ready = append(ready, &waitingAgain)
	}
	return ready
}

// silent reports whether the peer has done nothing yet but accept connections.
func (l *layer) silent() bool { return l.nothingReceived() && l.closes == 0 }

// isUsualForOther reports whether a service other than HTTP is usual on the port.
func isUsualForOther(port uint16) bool {
	usual := func(r *request.Request) bool { return r.UsualOn(port) }
	return !usual(&request.HTTP) && slices.ContainsFunc(request.TCP(), usual)
}

// willWaitAgain reports whether the peer will be waited for once more; waitAgainAt, when.
func (l *layer) willWaitAgain() bool {
	return l.waitStopped && l.silent() && !l.waitRestarted && l.connsLeft > 0
}

func (l *layer) waitAgainAt() time.Time { return l.start.Add(l.pace.idle + 2*l.pace.turn) }

// slowest is how long a greeting may take where none is expected.
const slowest = 3200 * time.Millisecond

// giveUpAt is when a peer that has sent nothing useful by then will not. One that has
// sent something gets less time than one that is silent, whose greeting may wait for a
// name server.
func (l *layer) giveUpAt() time.Time {
	switch {
	case l.silent() && (l.first == nil || waiting.UsualOn(l.port)):
		at := l.start.Add(l.pace.quiet)
		if late := l.waitAgainAt().Add(slowest); l.waitRestarted && late.After(at) {
			at = earlier(late, l.start.Add(longest))
		}
		return at
	case l.silent() && l.waitStopped:
		return l.waitAgainAt().Add(2 * l.pace.patience)
	}
	return l.start.Add(2*l.pace.patience + l.pace.head)
}

// describeSilence states what a peer did that has sent nothing. Of the requests, most are
// sent to their own ports alone.
func (l *layer) describeSilence() string {
	how := "sends nothing"
	switch {
	case l.resets > 0:
		how = "resets the connection"
	case l.closes > 0:
		how = "closes without sending anything"
	}
	switch {
	case l.refusals > 0:
		how += ", and refuses further connections"
	case l.crowded:
		how += ", and leaves further connections waiting"
	}
	all := len([]*request.Request{&waiting, &clientHello, &request.HTTP}) + len(moreHellos) + len(request.TCP())
	return fmt.Sprintf("%s, to %d of %d requests in %.1f s", how, min(l.requestsSent, all), all,
		time.Since(l.started).Seconds())
}
