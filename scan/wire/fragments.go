package wire

import (
	"net/netip"

	"onmux/scan/ip"
)

// Bounds of what waits for the rest of a datagram.
const (
	maxDatagrams   = 1024
	maxFragments   = 256      // of one datagram
	maxDatagram    = 64 << 10 // bytes
	fragmentTime   = 30e9     // nanoseconds, as Linux waits (ipfrag_time)
	fragmentMemory = 8 << 20  // bytes of all datagrams
)

// fragmentKey names a datagram: RFC 791, section 3.2; RFC 8200, section 4.5.
type fragmentKey struct {
	src, dst netip.Addr
	id       uint32
	proto    uint8
}

// datagram is one of which not all fragments are there.
type datagram struct {
	body    []byte
	covered spans
	size    int // of the whole; 0 if the last fragment was not seen
	parts   int
	began   int64
	invalid bool // fragments overlap: RFC 5722 has it dropped
}

// fragments puts datagrams together. IPv4 and IPv6 are alike; of IPv6 the protocol is that
// of the first fragment.
type fragments struct {
	waiting map[fragmentKey]*datagram
	order   []fragmentKey // by age
	bytes   int

	Dropped, Overlaps uint64
}

// join takes in a fragment, and returns true when it completes a datagram, whose body it
// then puts into q.
func (f *fragments) join(q *ip.Packet, now int64) bool {
	key := fragmentKey{q.Src, q.Dst, q.ID, q.Proto}
	d := f.waiting[key]
	if d == nil {
		f.expire(now)
		if f.waiting == nil {
			f.waiting = make(map[fragmentKey]*datagram)
		}
		d = &datagram{began: now}
		f.waiting[key] = d
		f.order = append(f.order, key)
	}
	end := q.Offset + len(q.Body)
	d.parts++
	switch {
	case len(q.Body) < q.Size || end > maxDatagram || q.More && len(q.Body)%8 != 0 || d.parts > maxFragments:
		d.invalid = true // cut by the capture, or not valid
	case d.size > 0 && end > d.size || !q.More && d.size > 0 && d.size != end:
		d.invalid = true
	}
	if d.invalid {
		return false
	}
	if !q.More {
		d.size = end
	}
	if end > len(d.body) {
		grown := make([]byte, end)
		copy(grown, d.body)
		f.bytes += end - len(d.body)
		d.body = grown
	}
	switch fresh := d.covered.add(q.Offset, end); {
	case fresh == 0 && string(d.body[q.Offset:end]) == string(q.Body): // the same once more
	case fresh < end-q.Offset:
		f.Overlaps++
		d.invalid = true
		return false
	}
	copy(d.body[q.Offset:], q.Body)
	if d.size == 0 || d.covered.prefix() < d.size {
		return false
	}
	q.Body, q.Size, q.Offset, q.More = d.body[:d.size], d.size, 0, false
	f.forget(key)
	return true
}

func (f *fragments) forget(key fragmentKey) {
	if d := f.waiting[key]; d != nil {
		f.bytes -= len(d.body)
		delete(f.waiting, key)
	}
}

// expire drops what is too old, and the oldest while there is too much.
func (f *fragments) expire(now int64) {
	for len(f.order) > 0 {
		d := f.waiting[f.order[0]]
		old := d == nil || now-d.began > fragmentTime
		if !old && len(f.waiting) < maxDatagrams && f.bytes < fragmentMemory && len(f.order) < 4*maxDatagrams {
			return
		}
		if d != nil {
			f.Dropped++
			f.forget(f.order[0])
		}
		f.order = f.order[1:]
	}
	f.order = nil
}

// spans are which parts of a sequence are there, in order and apart.
type spans []span

type span struct{ from, to int }

// add adds a part, and returns how much of it is new.
func (s *spans) add(from, to int) (fresh int) {
	fresh = to - from
	out := (*s)[:0:0]
	merged := span{from, to}
	placed := false
	for _, old := range *s {
		switch {
		case old.to < merged.from:
			out = append(out, old)
		case merged.to < old.from:
			if !placed {
				out, placed = append(out, merged), true
			}
			out = append(out, old)
		default:
			fresh -= max(0, min(old.to, to)-max(old.from, from))
			merged = span{min(old.from, merged.from), max(old.to, merged.to)}
		}
	}
	if !placed {
		out = append(out, merged)
	}
	*s = out
	return fresh
}

// prefix is how much there is from the beginning on.
func (s spans) prefix() int {
	if len(s) == 0 || s[0].from > 0 {
		return 0
	}
	return s[0].to
}
