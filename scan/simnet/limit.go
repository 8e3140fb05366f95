package simnet

import "time"

// Limit is a token bucket: so many at once, then Rate a second. The zero Limit
// is none.
type Limit struct {
	Burst int
	Rate  float64
}

// Bucket is a Limit in use, full at first. It is not for use by several goroutines
// at a time.
type Bucket struct {
	limit  Limit
	tokens float64
	last   time.Time // when it was last asked
}

// Bucket makes a full one.
func (l Limit) Bucket() *Bucket { return &Bucket{limit: l, tokens: float64(l.Burst)} }

// Take reports whether one more is allowed now.
func (b *Bucket) Take(now time.Time) bool {
	if !b.last.IsZero() {
		b.tokens = min(b.tokens+b.limit.Rate*now.Sub(b.last).Seconds(), float64(b.limit.Burst))
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
