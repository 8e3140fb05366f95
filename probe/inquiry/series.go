package inquiry

import (
	"context"
	"maps"
	"math"
	"time"

	"onmux/probe"
)

// Repeat is how many attempts are made at an endpoint, and how fast.
type Repeat struct {
	Count    int           // 0: until the context ends
	Interval time.Duration // from the start of an attempt to that of the next, or as long as the attempt takes

	// Refresh finds the endpoints anew before each attempt, as names may lead elsewhere; nil
	// if they stay.
	Refresh func(context.Context) ([]probe.Result, error)
}

// silentRun is how many attempts in a row must stay unanswered before silence outweighs
// an earlier answer: a lost packet or two is no filter.
const silentRun = 3

// Run calls attempt again and again, and emit after each, and returns the verdict of all:
// that of the most recent answer, unless at least three attempts after it had none. Its
// Attempts are nil if there was no attempt. The error is the context's if that ended
// before Count attempts were made, or that of attempt, which ends the run. Both functions
// are called from the goroutine that called Run.
func (p Repeat) Run(ctx context.Context, attempt func(context.Context) (probe.Result, error),
	emit func(probe.Attempt)) (probe.Result, error) {
	var s series
	for try := 1; p.Count == 0 || try <= p.Count; try++ {
		start := time.Now()
		r, err := attempt(ctx)
		if err != nil {
			return s.result(), err
		}
		s.add(r)
		emit(probe.Attempt{Endpoint: r.Endpoint, Host: r.Host, Try: try, Time: start.UTC(), State: r.State, Reason: r.Reason,
			RTT: r.RTT, Responder: r.Responder, Error: r.Error})
		if try != p.Count {
			if err := probe.Sleep(ctx, p.Interval-time.Since(start)); err != nil {
				return s.result(), err
			}
		}
	}
	return s.result(), nil
}

// series summarizes any number of attempts.
type series struct {
	stats     probe.Attempts
	last      probe.Result
	answer    probe.Result // the last with an answer
	silent    int          // attempts after it
	mean, sum float64
	states    [probe.StateCount]int // of those with an answer
}

func (s *series) add(r probe.Result) {
	s.stats.Sent++
	if s.stats.States == nil {
		s.stats.States = make(map[string]int)
	}
	s.stats.States[r.State.String()]++
	s.last = r
	s.silent++
	if r.Reason != probe.NoResponse && r.Reason != probe.LocalError {
		s.answer, s.silent = r, 0
		s.states[r.State]++
	}
	if answered(r) {
		s.addRTT(r.RTT)
	}
}

// answered reports whether the endpoint itself answered.
func answered(r probe.Result) bool {
	own := r.ICMP != (probe.ICMP{}) && !r.Responder.IsValid() && r.Reason != probe.NoNeighbor
	return r.State == probe.Open || r.State == probe.Closed || own
}

// addRTT adds a round-trip time to the mean and the sum of squared deviations
// (Welford's method).
func (s *series) addRTT(rtt probe.Millis) {
	a := &s.stats
	if a.Answered == 0 || rtt < a.Min {
		a.Min = rtt
	}
	a.Answered, a.Max = a.Answered+1, max(a.Max, rtt)
	d := float64(rtt) - s.mean
	s.mean += d / float64(a.Answered)
	s.sum += d * (float64(rtt) - s.mean)
}

func (s *series) result() probe.Result {
	if s.stats.Sent == 0 {
		return probe.Result{}
	}
	r := s.answer
	if s.answer.Reason == probe.NoReason || s.silent >= silentRun {
		r = s.last
	}
	a := s.stats
	a.States = maps.Clone(a.States)
	a.Loss = 1 - float64(a.Answered)/float64(a.Sent)
	if a.Answered > 0 {
		a.Avg, a.StdDev = probe.Millis(s.mean), probe.Millis(math.Sqrt(s.sum/float64(a.Answered)))
	}
	r.Tries, r.Attempts = a.Sent, &a
	addFact(&r, s.facts()...)
	if s.contradictory() && r.Confidence == probe.High {
		r.Confidence = probe.Medium
	}
	return r
}

// contradictory reports whether answers contradict each other.
func (s *series) contradictory() bool {
	kinds := 0
	for _, n := range s.states {
		if n > 0 {
			kinds++
		}
	}
	return kinds > 1
}

// facts state why the state is what it is where the attempts disagree.
func (s *series) facts() (out []probe.Fact) {
	if s.contradictory() {
		states := make(map[string]int)
		for state, n := range s.states {
			if n > 0 {
				states[probe.State(state).String()] = n
			}
		}
		out = append(out, probe.Fact{Kind: probe.FactContradictory, States: states})
	}
	switch {
	case s.answer.Reason == probe.NoReason || s.silent == 0:
	case s.silent >= silentRun:
		out = append(out, probe.Fact{
			Kind: probe.FactSilentSince, State: s.answer.State, Count: s.stats.Sent - s.silent, Size: s.silent,
		})
	default:
		out = append(out, probe.Fact{Kind: probe.FactLastSilent, Count: s.silent})
	}
	if s.answer.Reason == probe.PortUnreach && s.answer.Proto == probe.UDP && s.stats.Answered < s.stats.Sent {
		out = append(out, probe.Fact{Kind: probe.FactRateLimited})
	}
	return out
}
