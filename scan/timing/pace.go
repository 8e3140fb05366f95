package timing

import (
	"math"
	"time"

	"onmux/scan/engine"
)

const (
	// DefaultRate is the rate of a scan for which none was set, in probes a second.
	DefaultRate = 10_000

	// Backoff is the pause after the engine accepted no more probes.
	Backoff = 10 * time.Millisecond

	// networkBurst is how many seconds' worth of probes a network may get at once.
	networkBurst = 0.25

	burst     = 10 * time.Millisecond  // what an overslept timer may catch up with
	nap       = time.Millisecond       // the shortest sleep worth its cost
	reaction  = 100 * time.Millisecond // the rate is halved at most this often
	recovery  = 100 * time.Millisecond // a step back towards the full rate is made this often
	steps     = 100                    // … and the full rate is this many steps
	minSlowed = 100                    // probes a second below which nothing slows a scan down, unless its rate is lower
)

// Pacer is a token bucket: rate tokens a second, one for each probe. It halves
// its rate when the engine is out of resources and recovers by equal steps, as
// TCP does with its window, but silence never slows it down: hosts may be silent
// as fast as they like. It reads no clock of its own. One goroutine uses it.
type Pacer struct {
	full   float64 // what was asked for; may be +Inf
	rate   float64 // what is done now
	tokens float64
	last   time.Time // when tokens were counted

	networkRate   float64 // limit of CapNetworks
	networkTokens float64 // tokens of that
	capped        float64 // the lowest networkRate that made the scan wait, 0 if none did

	halved  time.Time // when the rate was last changed
	step    float64   // of the recovery
	over    float64   // the rate at which the cause counts as over
	sent    uint64    // since measured began, for a rate where none was set
	since   time.Time
	slowest float64 // the lowest rate so far, 0 if never slowed
	why     any     // what it was slowed by
}

// NewPacer paces at a rate, in probes a second, which may be +Inf.
func NewPacer(rate float64, now time.Time) *Pacer {
	p := &Pacer{full: rate, rate: rate, networkRate: math.Inf(1), last: now, since: now}
	p.tokens = float64(p.Batch())
	return p
}

// Batch is how many probes leave at once: about a millisecond's worth.
func (p *Pacer) Batch() int {
	return int(min(max(math.Ceil(p.Rate()*nap.Seconds()), 1), engine.MaxBatch))
}

// Rate is the present rate, which may be +Inf.
func (p *Pacer) Rate() float64 { return min(p.rate, p.networkRate) }

// CapNetworks keeps the rate below most probes a second, but for what networks may
// get at once; +Inf is no limit.
func (p *Pacer) CapNetworks(most float64) {
	p.networkRate = most
	p.networkTokens = most * networkBurst
}

// Wait counts tokens and returns how long to sleep until a batch may leave; 0 is now.
func (p *Pacer) Wait(now time.Time) time.Duration {
	p.recover(now)
	past, size := now.Sub(p.last).Seconds(), float64(p.Batch())
	p.last = now
	var d time.Duration
	if p.networkRate < p.rate {
		p.networkTokens = min(p.networkTokens+p.networkRate*past, max(p.networkRate*networkBurst, size))
		if d = p.until(size-p.networkTokens, p.networkRate); d > 0 && (p.capped == 0 || p.networkRate < p.capped) {
			p.capped = p.networkRate
		}
	}
	if math.IsInf(p.rate, 1) {
		return d
	}
	p.tokens = min(p.tokens+p.rate*past, max(p.rate*burst.Seconds(), size))
	return max(d, p.until(size-p.tokens, p.rate))
}

// until is how long so many tokens take to come.
func (p *Pacer) until(missing, rate float64) time.Duration {
	if missing <= 1e-6 {
		return 0
	}
	return max(time.Duration(missing/rate*float64(time.Second))+1, nap)
}

// Spend takes the tokens of n probes that left.
func (p *Pacer) Spend(n int) {
	p.tokens -= float64(n)
	p.networkTokens -= float64(n)
	p.sent += uint64(n)
}

// SlowDown halves the rate, at most once in 100 ms, because the engine ran out of
// something or answers are lost because of the rate.
func (p *Pacer) SlowDown(now time.Time, why any) {
	p.why = why
	if !p.halved.IsZero() && now.Sub(p.halved) < reaction {
		return
	}
	p.rate = p.actual(now)
	if p.step == 0 {
		p.step, p.over = p.rate/steps, p.rate
	}
	p.slow(now, p.rate/2)
}

// SlowBy slows down to a share of the present rate, 0 to 1, as SlowTo does, and stays
// near it for longer: what answers at a higher rate costs tries to find out.
func (p *Pacer) SlowBy(now time.Time, share float64, why any) {
	p.SlowTo(now, share*p.actual(now), why)
	p.step /= 10
}

// actual is the rate, or without one what was sent so far by the second.
func (p *Pacer) actual(now time.Time) float64 {
	if math.IsInf(p.rate, 1) {
		return max(float64(p.sent)/max(now.Sub(p.since).Seconds(), nap.Seconds()), minSlowed)
	}
	return p.rate
}

// SlowTo slows down to a rate that is known to work. From there it recovers by small
// steps, to stay near it, and at twice the rate the cause counts as over.
func (p *Pacer) SlowTo(now time.Time, rate float64, why any) {
	p.why = why
	p.slow(now, min(rate, p.rate))
	p.step, p.over = 2*p.rate/steps, 2*p.rate
}

func (p *Pacer) slow(now time.Time, rate float64) {
	p.rate = max(rate, min(p.full, minSlowed))
	p.tokens = 0
	p.halved, p.last = now, now
	if p.slowest == 0 || p.rate < p.slowest {
		p.slowest = p.rate
	}
}

// recover makes the steps back to the full rate that are due.
func (p *Pacer) recover(now time.Time) {
	if p.rate >= p.full {
		return
	}
	due := now.Sub(p.halved) / recovery
	if due <= 0 {
		return
	}
	p.rate = min(p.rate+float64(due)*p.step, p.full)
	p.halved = p.halved.Add(due * recovery)
	if p.rate >= p.over {
		p.rate = p.full
	}
}

// Slowest is the lowest rate so far and why it fell to it, or 0 if it never fell.
func (p *Pacer) Slowest() (rate float64, why any) { return p.slowest, p.why }

// Capped is the lowest limit of CapNetworks that took effect, or 0 if none did.
func (p *Pacer) Capped() float64 { return p.capped }
