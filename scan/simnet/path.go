package simnet

import (
	"time"

	"onmux/probe"
)

// Path is the path to a host and back. Shares are
// from 0 to 1. The zero Path takes no time and loses nothing.
type Path struct {
	RTT       time.Duration // there and back
	Jitter    time.Duration // up to so much more, evenly spread
	LossOut   float64       // share of probes that do not arrive
	LossBack  float64       // share of answers that do not
	Duplicate float64       // share of answers that come twice
}

// Delivery is what happens to one probe and the answers to it.
type Delivery struct {
	Arrived bool            // the probe arrives
	Answers []time.Duration // when, after it was sent, the answers do: never, once or twice
}

// Deliver delivers the n-th probe (1 …) of an endpoint. The result is the same for
// the same seed, endpoint and n.
func (p Path) Deliver(seed uint64, e probe.Endpoint, n int) (t Delivery) {
	d := randomFor(seed, e, n)
	if d.float() < p.LossOut {
		return t
	}
	t.Arrived = true
	if d.float() < p.LossBack {
		return t
	}
	rtt := p.RTT + time.Duration(d.float()*float64(p.Jitter))
	t.Answers = append(t.Answers, rtt)
	if d.float() < p.Duplicate {
		t.Answers = append(t.Answers, rtt+rtt/2)
	}
	return t
}
