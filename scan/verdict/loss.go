package verdict

import (
	"onmux/probe"
	"onmux/scan/engine"
)

// ByProto has a value for each transport protocol.
type ByProto[T any] [probe.UDP + 1]T

// DefaultBound is how many answering hosts may probably be missed in a whole scan
// before another pass is made. More than two are then missed in one scan of
// seventy.
const DefaultBound = 0.5

// Tally counts, for one protocol, at which try the hosts that answered did so:
// Tally[k] answered at try k. What routers and filters sent does not
// count, nor what is sent at a limited rate: silence of those is not loss.
type Tally [engine.MaxTries + 1]uint64

// Answered is how many hosts answered within the first tries.
func (t *Tally) Answered(tries int) (n uint64) {
	for _, a := range t[1 : tries+1] {
		n += a
	}
	return n
}

// Measure is Loss, and where no endpoint is silent any more LossOfAll, with no more
// missed than are silent.
func (t *Tally) Measure(silent int64, tries int) (p, missed float64, ok bool) {
	if silent == 0 {
		p, ok = t.LossOfAll()
		return p, 0, ok
	}
	p, missed, ok = t.Loss(tries)
	return p, min(missed, float64(silent)), ok
}

// Subtract takes out the answers of o, which do not measure loss after all.
func (t *Tally) Subtract(o *Tally) {
	for k, n := range o {
		t[k] -= min(n, t[k])
	}
}

// maxLoss is the highest loss that is distinguished from "next to nothing comes
// back"; beyond it the equation below is ill-conditioned.
const maxLoss = 0.999

// Loss estimates the share p of attempts at answering hosts that bring no
// answer, and how many answering hosts are still reported as silent, after every silent
// endpoint was asked tries times. It is false if nothing can be
// concluded: no host answered, or with one try only.
//
// If each attempt fails with probability p, the try at which a host answers is
// geometric, and those seen are the part of it with k ≤ K. The likelihood of
// that truncated distribution, P(k) = (1-p)·p^(k-1) / (1-p^K), is greatest where
// its mean is that of the sample:
//
//	mean(k) = 1/(1-p) − K·p^K / (1−p^K)
//
// which grows with p from 1 to (K+1)/2, so bisection finds p. (That likelihood
// and moments agree is true of every power series distribution: G. P. Patil,
// "Maximum likelihood estimation for generalized power series distributions and
// its application to a truncated binomial distribution", Biometrika 49, 1962.)
// Each of the H hosts that answer is missed with
// probability p^K and seen with 1−p^K; A were seen, so the missed are
//
//	H·p^K = A·p^K / (1−p^K)
//
// Losses are taken as independent. They come in bursts too, but tries are at
// least a round trip apart and neighbors are not asked in a row.
func (t *Tally) Loss(tries int) (p, missed float64, ok bool) {
	a := t.Answered(tries)
	if a == 0 || tries < 2 {
		return 0, 0, false
	}
	p = solveLoss(t.mean(tries), tries)
	gone := power(p, tries)
	return p, float64(a) * gone / (1 - gone), true
}

// LossOfAll is the loss when no endpoint is left silent: the distribution is not
// truncated then, and one try is enough.
func (t *Tally) LossOfAll() (p float64, ok bool) {
	if t.Answered(engine.MaxTries) == 0 {
		return 0, false
	}
	return 1 - 1/t.mean(engine.MaxTries), true
}

// mean is the average try at which the hosts that answered within tries did.
func (t *Tally) mean(tries int) float64 {
	var sum uint64
	for k, a := range t[1 : tries+1] {
		sum += uint64(k+1) * a
	}
	return float64(sum) / float64(t.Answered(tries))
}

// solveLoss finds the p whose truncated distribution has that mean.
func solveLoss(mean float64, tries int) float64 {
	if mean <= 1 {
		return 0
	}
	low, high := 0.0, maxLoss
	if mean >= meanTry(high, tries) {
		return high
	}
	for range 60 {
		mid := (low + high) / 2
		if meanTry(mid, tries) < mean {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}

// meanTry is the expected try at which a host answers, among those that do
// within tries, at loss p.
func meanTry(p float64, tries int) float64 {
	gone := power(p, tries)
	return 1/(1-p) - float64(tries)*gone/(1-gone)
}

func power(p float64, n int) float64 {
	x := 1.0
	for range n {
		x *= p
	}
	return x
}
