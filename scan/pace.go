package scan

import (
	"math"
	"onmux/scan/control"
	"onmux/scan/engine"
	"time"
)

const (
	// DefaultRate is the pace of a sweep that was not told one, in probes a second.
	DefaultRate = 10_000

	burst     = 10 * time.Millisecond  // what an overslept timer may catch up with
	nap       = time.Millisecond       // the shortest sleep worth its cost
	backoff   = 10 * time.Millisecond  // pause after the engine was busy
	reaction  = 100 * time.Millisecond // the rate is halved at most this often
	recovery  = 100 * time.Millisecond // a step back towards the full rate is made this often
	steps     = 100                    // … and the full rate is this many steps
	minSlowed = 100                    // probes a second below which nothing slows the sweep, unless it was asked to be slower
)

// pacer is a token bucket: rate tokens a second, one for each probe. It halves
// its rate when the engine is out of resources and recovers by equal steps, as
// TCP does with its window, but never listens to silence: hosts may be silent
// as fast as they like. It reads no clock of its own. One goroutine uses it.
type pacer struct {
	full   float64 // what was asked for; may be +Inf
	rate   float64 // what is done now
	tokens float64
	last   time.Time // when tokens were counted

	most  float64 // what the networks that are asked bear; +Inf if that is not asked
	spare float64 // tokens of that
	held  float64 // the lowest most that made the sweep wait, 0 if none did

	halved  time.Time // when the rate was last changed
	step    float64   // of the recovery
	sent    uint64    // since measured began, for a rate where none was set
	since   time.Time
	slowest float64       // the lowest rate so far, 0 if never slowed
	why     control.Cause // what it was slowed by
}

func newPacer(rate float64, now time.Time) *pacer {
	p := &pacer{full: rate, rate: rate, most: math.Inf(1), last: now, since: now}
	p.tokens = float64(p.batch())
	return p
}

// batch is how many probes leave at once: about a millisecond's worth.
func (p *pacer) batch() int {
	return int(min(max(math.Ceil(p.now()*nap.Seconds()), 1), engine.MaxBatch))
}

// now is the present rate, which may be +Inf.
func (p *pacer) now() float64 { return min(p.rate, p.most) }

// capNetworkRate keeps the pace below most probes a second, but for what networks may get
// at once.
func (p *pacer) capNetworkRate(most float64) {
	p.most = most
	p.spare = most * netBurst
}

// wait counts tokens and says how long to sleep until a batch may leave; 0 is now.
func (p *pacer) wait(now time.Time) time.Duration {
	p.recover(now)
	past, size := now.Sub(p.last).Seconds(), float64(p.batch())
	p.last = now
	var d time.Duration
	if p.most < p.rate {
		p.spare = min(p.spare+p.most*past, max(p.most*netBurst, size))
		if d = p.until(size-p.spare, p.most); d > 0 && (p.held == 0 || p.most < p.held) {
			p.held = p.most
		}
	}
	if math.IsInf(p.rate, 1) {
		return d
	}
	p.tokens = min(p.tokens+p.rate*past, max(p.rate*burst.Seconds(), size))
	return max(d, p.until(size-p.tokens, p.rate))
}

// until is how long so many tokens take to come.
func (p *pacer) until(missing, rate float64) time.Duration {
	if missing <= 1e-6 {
		return 0
	}
	return max(time.Duration(missing/rate*float64(time.Second))+1, nap)
}

// spend takes the tokens of n probes that left.
func (p *pacer) spend(n int) {
	p.tokens -= float64(n)
	p.spare -= float64(n)
	p.sent += uint64(n)
}

// busy slows down because the engine said that the machine is out of something.
func (p *pacer) busy(now time.Time, why control.Cause) {
	p.why = why
	if !p.halved.IsZero() && now.Sub(p.halved) < reaction {
		return
	}
	if math.IsInf(p.rate, 1) {
		p.rate = max(float64(p.sent)/max(now.Sub(p.since).Seconds(), nap.Seconds()), minSlowed)
	}
	if p.step == 0 {
		p.step = p.rate / steps
	}
	p.slow(now, p.rate/2)
}

// ease slows down to a rate that is known to be borne. From there it recovers by small
// steps, to stay near it, and at twice the rate it is believed to be over.
func (p *pacer) ease(now time.Time, rate float64, why control.Cause) {
	p.why = why
	p.slow(now, min(rate, p.rate))
	p.step = 2 * p.rate / steps
}

func (p *pacer) slow(now time.Time, rate float64) {
	p.rate = max(rate, min(p.full, minSlowed))
	p.tokens = 0
	p.halved, p.last = now, now
	if p.slowest == 0 || p.rate < p.slowest {
		p.slowest = p.rate
	}
}

// recover makes the steps back to the full rate that are due.
func (p *pacer) recover(now time.Time) {
	if p.rate >= p.full {
		return
	}
	due := now.Sub(p.halved) / recovery
	if due <= 0 {
		return
	}
	p.rate = min(p.rate+float64(due)*p.step, p.full)
	p.halved = p.halved.Add(due * recovery)
	if p.rate >= p.step*steps {
		p.rate = p.full
	}
}
