package compare

import (
	"math"
	"net/netip"

	"onmux/probe"
	"onmux/report/compact"
)

// upTo is the last address of the piece that begins where a and b, of which
// one may be nil, begin: it ends where one of them ends, or before the other report,
// which is at x or y, goes on.
func upTo(a, b, x, y *compact.Item) netip.Addr {
	switch {
	case a == nil:
		if x != nil && !b.Last.Less(x.Addr) {
			return x.Addr.Prev()
		}
		return b.Last
	case b == nil:
		if y != nil && !a.Last.Less(y.Addr) {
			return y.Addr.Prev()
		}
		return a.Last
	case a.Last.Less(b.Last):
		return a.Last
	}
	return b.Last
}

// cursor reads the endpoints and ranges of a report by port and address.
type cursor struct {
	store *compact.Store
	order []uint32
	head  *compact.Item // the first of what was not compared yet; nil at the end
	err   error         // of reading on, which ends there
}

func newCursor(s *compact.Store) *cursor {
	c := &cursor{store: s, order: s.ByPort()}
	c.next()
	return c
}

func (c *cursor) next() {
	c.head = nil
	if len(c.order) == 0 || c.err != nil {
		return
	}
	item, err := c.store.At(c.order[0])
	if c.err = err; err == nil {
		c.head, c.order = &item, c.order[1:]
	}
}

func (c *cursor) port() probe.Port {
	if c.head == nil {
		return probe.Port{}
	}
	return probe.Port{Number: c.head.Port, Proto: c.head.Proto}
}

// on is the head if it is of a port, or nil.
func (c *cursor) on(p probe.Port) *compact.Item {
	if c.head == nil || c.port() != p {
		return nil
	}
	return c.head
}

// skip goes on to what of a port lies beyond last. Of two records of an address the
// first counts.
func (c *cursor) skip(p probe.Port, last netip.Addr) {
	for c.on(p) != nil && !last.Less(c.head.Last) {
		c.next()
	}
	if h := c.on(p); h != nil && !last.Less(h.Addr) {
		h.Addr = last.Next()
	}
}

// span64 is how many addresses lie from first to last; as many as fit.
func span64(first, last netip.Addr) uint64 {
	a, b := first.As16(), last.As16()
	var high, low uint64
	borrow := 0
	for i := 15; i >= 0; i-- {
		v := int(b[i]) - int(a[i]) - borrow
		borrow = 0
		if v < 0 {
			v, borrow = v+256, 1
		}
		if i >= 8 {
			low |= uint64(v) << (8 * (15 - i))
		} else {
			high |= uint64(v) << (8 * (7 - i))
		}
	}
	if high > 0 || low == math.MaxUint64 {
		return math.MaxUint64
	}
	return low + 1
}
