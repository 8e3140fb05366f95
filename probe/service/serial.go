package service

import (
	"errors"
	"net"
	"slices"
	"time"

	"onmux/probe/request"
)

// Some servers serve one connection at a time: the simple HTTP servers of
// scripting languages, openssl s_server, a daemon with few workers. A connection
// on which we only wait holds all the others up there, until we leave.

// makeRoom leaves a peer that has said nothing on any connection, first where we
// only listen, then where it has a page to think about, so that it comes to those
// that queue behind. A server that thinks long before it greets is listened to
// once more after that.
func (l *layer) makeRoom(now time.Time, later func(time.Time) bool) (ready []*request.Request) {
	t, waits := l.running[&waiting]
	if !l.unheard() || !waits && !l.yielded || waiting.UsualOn(l.port) {
		return nil
	}
	idle := l.start.Add(l.pace.idle)
	if later(idle) {
		return nil
	}
	if waits {
		t.cancel()
	}
	l.yielded = true
	if later(idle.Add(l.pace.turn)) {
		return nil
	}
	// On other ports nothing is as likely as a page.
	if t, ok := l.running[&request.HTTP]; ok && l.first == nil && l.hasHome() {
		t.cancel()
	}
	if l.waitsOn() && !later(l.waitOnAt()) {
		l.again = true
		ready = append(ready, &waitingAgain)
	}
	return ready
}

// silent reports whether the peer has not done anything yet but to take
// connections.
func (l *layer) silent() bool { return l.unheard() && l.closes == 0 }

// unheard reports whether it has not said anything.
func (l *layer) unheard() bool { return l.best.rule == nil && l.unknown == nil && l.tunnel == nil }

// hasHome reports whether a question other than the page is at home on the port.
func (l *layer) hasHome() bool {
	return !request.HTTP.UsualOn(l.port) && slices.ContainsFunc(request.TCP(), func(q *request.Request) bool { return q.UsualOn(l.port) })
}

// waitsOn reports whether the peer will be listened to once more; waitOnAt, when.
func (l *layer) waitsOn() bool { return l.yielded && l.silent() && !l.again && l.left > 0 }

func (l *layer) waitOnAt() time.Time { return l.start.Add(l.pace.idle + 2*l.pace.turn) }

// refuse notes why there was no connection. A peer that took others and leaves
// one waiting has more of them than it can serve: that is no refusal.
func (l *layer) refuse(err error) {
	l.err = err
	var e net.Error
	if (l.met > 0 || l.first != nil) && errors.As(err, &e) && e.Timeout() {
		l.crowded = true
		return
	}
	l.refusal++
}

// spent reports whether a peer whose queue is full has had its time.
func (l *layer) spent() bool { return l.crowded && time.Since(l.start) > l.pace.quiet }

// slowest is how long a greeting may take where none is expected.
const slowest = 3200 * time.Millisecond

// giveUp is when a peer that has not said anything of use by then will not. One
// that is heard of at all deserves less patience than one that is silent: its
// greeting may hang on a name server.
func (l *layer) giveUp() time.Time {
	switch heard := l.start.Add(2*l.pace.patience + l.pace.head); {
	case l.silent() && (l.first == nil || waiting.UsualOn(l.port)):
		at := l.start.Add(l.pace.quiet)
		if late := l.waitOnAt().Add(slowest); l.again && late.After(at) {
			at = earlier(late, l.start.Add(longest))
		}
		return at
	case l.silent() && l.yielded:
		return l.waitOnAt().Add(2 * l.pace.patience)
	default:
		return heard
	}
}
