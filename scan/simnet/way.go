package simnet

import (
	"time"

	"onmux/probe"
)

// Way is what befalls questions and answers between us and a host. Shares are
// from 0 to 1. The zero Way takes no time and loses nothing.
type Way struct {
	RTT      time.Duration // there and back
	Jitter   time.Duration // up to so much more, evenly spread
	LossOut  float64       // share of questions that do not arrive
	LossBack float64       // share of answers that do not
	Twice    float64       // share of answers that come twice
}

// Trip is what becomes of one question and the answers to it.
type Trip struct {
	Asked    bool            // the question arrives
	Arrivals []time.Duration // when, after it was sent, the answers do: never, once or twice
}

// Trip is that of the n-th question (1 …) to an endpoint: the same for the same
// seed, endpoint and n.
func (w Way) Trip(seed uint64, e probe.Endpoint, n int) (t Trip) {
	d := diceOf(seed, e, n)
	if d.roll() < w.LossOut {
		return t
	}
	t.Asked = true
	if d.roll() < w.LossBack {
		return t
	}
	rtt := w.RTT + time.Duration(d.roll()*float64(w.Jitter))
	t.Arrivals = append(t.Arrivals, rtt)
	if d.roll() < w.Twice {
		t.Arrivals = append(t.Arrivals, rtt+rtt/2)
	}
	return t
}
