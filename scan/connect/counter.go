package connect

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// counter watches a number of the kernel's, for each family, which increases when packets of this
// machine do not leave. What was silent meanwhile may not have left. A nil counter never
// increases.
type counter struct {
	read func(ctx context.Context, ipv6 bool) (uint64, error)
	last [2]atomic.Pointer[counterReading] // IPv4, IPv6
	mu   sync.Mutex                        // one reads at a time
}

type counterReading struct {
	count uint64
	at    time.Time
}

// before is a reading from before an attempt that begins now.
func (c *counter) before(ctx context.Context, a netip.Addr) counterReading {
	if c == nil {
		return counterReading{}
	}
	return c.reading(ctx, a, time.Now().Add(-readingAge))
}

// increased reports whether the number is larger than before an attempt whose packet had been sent
// at a time.
func (c *counter) increased(ctx context.Context, a netip.Addr, old counterReading, sent time.Time) bool {
	return c != nil && c.reading(ctx, a, sent).count > old.count
}

// reading is one that is not older than a time. What cannot be read does not increase.
func (c *counter) reading(ctx context.Context, a netip.Addr, oldest time.Time) counterReading {
	last := &c.last[familyOf(a.Unmap())]
	if r := last.Load(); r != nil && !r.at.Before(oldest) {
		return *r
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := counterReading{at: time.Now()}
	if old := last.Load(); old != nil {
		if !old.at.Before(oldest) { // another one read it meanwhile
			return *old
		}
		r.count = old.count
	}
	if n, err := c.read(ctx, a.Unmap().Is6()); err == nil {
		r.count = n
	}
	last.Store(&r)
	return r
}
