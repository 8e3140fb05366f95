package scan

import "onmux/scan/engine"

// tally counts, for one protocol, at which try the hosts that answered did so:
// tally[k] answered at try k. What routers and filters said does not count, nor
// what is sent at a limited rate: their silence is not loss.
type tally [engine.MaxTries + 1]uint64

// answered is how many hosts answered within the first tries.
func (t *tally) answered(tries int) (n uint64) {
	for _, a := range t[1 : tries+1] {
		n += a
	}
	return n
}

// drop takes out answers that say nothing of loss after all.
func (t *tally) drop(o *tally) {
	for k, n := range o {
		t[k] -= min(n, t[k])
	}
}

// maxLoss is the highest loss that is told apart from "next to nothing comes
// back"; beyond it the equation below is ill-conditioned.
const maxLoss = 0.999

// loss estimates the share p of attempts at answering hosts that bring no
// answer, and how many answering hosts are still told silent, after every silent
// endpoint was asked tries times. It is false if nothing can be said: nobody
// answered, or with one try only.
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
// least a round trip apart and neighbours are not asked in a row.
func (t *tally) loss(tries int) (p, missed float64, ok bool) {
	a := t.answered(tries)
	if a == 0 || tries < 2 {
		return 0, 0, false
	}
	p = solveLoss(t.mean(tries), tries)
	gone := power(p, tries)
	return p, float64(a) * gone / (1 - gone), true
}

// lossOfAll is the loss when nobody is left silent: the distribution is not
// truncated then, and one try is enough.
func (t *tally) lossOfAll() (p float64, ok bool) {
	if t.answered(engine.MaxTries) == 0 {
		return 0, false
	}
	return 1 - 1/t.mean(engine.MaxTries), true
}

// mean is the average try at which the hosts that answered within tries did.
func (t *tally) mean(tries int) float64 {
	var sum uint64
	for k, a := range t[1 : tries+1] {
		sum += uint64(k+1) * a
	}
	return float64(sum) / float64(t.answered(tries))
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
