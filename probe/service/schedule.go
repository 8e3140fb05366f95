package service

import (
	"cmp"
	"context"
	"slices"
	"time"

	"onmux/probe/request"
)

// schedule is what was sent and what may be sent next.
type schedule struct {
	listening     bool               // waiting has begun
	openersSent   bool               // TLS and HTTP had their turn
	waitStopped   bool               // waiting was stopped, for a peer that may serve one connection at a time
	waitRestarted bool               // and has begun again
	parallel      int                // handshakes at a time
	hold          time.Time          // no handshake before
	queue         []*request.Request // handshakes not yet tried
	running       map[*request.Request]turn
	retried       map[*request.Request]bool
}

// turn is a request that is under way.
type turn struct {
	began  time.Time
	cancel context.CancelFunc // closes the connection
}

func (s *schedule) isRunning(r *request.Request) bool { _, ok := s.running[r]; return ok }

// handshakes counts the requests under way without the opening ones.
func (s *schedule) handshakes() int {
	n := len(s.running)
	for _, r := range []*request.Request{&waiting, &waitingAgain, &clientHello, &request.HTTP} {
		if s.isRunning(r) {
			n--
		}
	}
	return n
}

// opening reports whether TLS or HTTP still have their time, of length d.
func (s *schedule) opening(now time.Time, d time.Duration) bool {
	for _, r := range []*request.Request{&clientHello, &request.HTTP} {
		if t, ok := s.running[r]; ok && now.Before(t.began.Add(d)) {
			return true
		}
	}
	return false
}

// sortByLikelihood sorts the requests that may be sent to a port, likeliest first.
// suggested are the services to which answers have pointed.
func sortByLikelihood(requests []*request.Request, port uint16, suggested map[string]bool) {
	class := func(r *request.Request) int {
		switch {
		case suggested[r.Service]:
			return -2
		case r.UsualOn(port):
			return -1
		}
		return r.Rarity
	}
	slices.SortStableFunc(requests, func(a, b *request.Request) int { return cmp.Compare(class(a), class(b)) })
}

// isDue reports whether r is sent to the port at all.
func isDue(r *request.Request, port uint16, suggested map[string]bool) bool {
	return r.Rarity != request.Rare || suggested[r.Service] || r.UsualOn(port)
}
