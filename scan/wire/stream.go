package wire

import (
	"time"

	"onmux/probe"
	"onmux/probe/service"
	"onmux/probe/traffic"
	"onmux/scan/packet"
)

// Bounds of what is kept of the bytes of connections.
const (
	maxStreams   = 4096     // at a time
	maxSamples   = 8        // connections of an endpoint that are looked at to identify it
	maxGreetings = 1 << 16  // flows with what their clients sent first
	sentLimit    = 4 << 10  // bytes of a client: a ClientHello takes up to 2 KiB
	replyLimit   = 12 << 10 // bytes of an endpoint: certificates take up to 8 KiB
	maxSpans     = 32       // parts of one direction that wait for what is between
	streamIdle   = 10e9     // nanoseconds after which a stream may make room for another
)

// head is the beginning of one direction of a connection, in order.
type head struct {
	base     uint32 // the sequence number of the first byte
	known    bool   // base is set
	bytes    []byte
	covered  spans
	disagree bool // segments had other bytes at the same place; the first ones stay
}

// add puts data at its place, as far as it lies within the limit.
func (h *head) add(seq uint32, data []byte, limit int) {
	if !h.known {
		h.base, h.known = seq, true
	}
	at := int(int32(seq - h.base))
	if at < 0 || at >= limit || len(h.covered) >= maxSpans {
		return
	}
	data = data[:min(len(data), limit-at)]
	end := at + len(data)
	if end > len(h.bytes) {
		if end > cap(h.bytes) {
			grown := make([]byte, len(h.bytes), min(max(2*end, 512), limit))
			copy(grown, h.bytes)
			h.bytes = grown
		}
		h.bytes = h.bytes[:end]
	}
	for _, old := range h.covered {
		from, to := max(at, old.from), min(end, old.to)
		if from < to && string(h.bytes[from:to]) != string(data[from-at:to-at]) {
			h.disagree = true
		}
		if from < to { // the first bytes stay
			copy(data[from-at:to-at], h.bytes[from:to])
		}
	}
	copy(h.bytes[at:], data)
	h.covered.add(at, end)
}

// prefix is what is there from the beginning without a gap.
func (h *head) prefix() []byte { return h.bytes[:h.covered.prefix()] }

// stream is the beginning of a connection.
type stream struct {
	half    [2]head
	greeted bool // the endpoint sent first
}

// streams are those that are kept, and what clients sent first.
type streams struct {
	of        map[*flow]*stream
	greetings map[*flow]*traffic.Greeting
	scratch   []byte
	swept     int64 // when idle ones were looked for
}

// sampled is the stream of a flow, a new one if its bytes are of use, or nil.
func (w *Watch) sampled(f *flow, dir int, data []byte) *stream {
	if f.is(hasStream) {
		return w.streams.of[f]
	}
	e := w.ends.at(f.endpoint)
	isTLS := dir == sent && len(data) > 2 && data[0] == 22 && data[1] == 3
	if f.is(midway) || !isTLS && (e.known || e.samples >= maxSamples) {
		f.flags |= noStream
		return nil
	}
	if len(w.streams.of) >= maxStreams && !w.makeRoom() {
		f.flags |= noStream
		return nil
	}
	if w.streams.of == nil {
		w.streams.of, w.streams.greetings = make(map[*flow]*stream), make(map[*flow]*traffic.Greeting)
	}
	if e.samples < maxSamples {
		e.samples++
	}
	s := &stream{greeted: dir == received}
	w.streams.of[f] = s
	f.flags |= hasStream
	return s
}

// makeRoom ends streams on which nothing passes, at most once a second.
func (w *Watch) makeRoom() bool {
	if w.now-w.streams.swept < 1e9 {
		return false
	}
	w.streams.swept = w.now
	for f := range w.streams.of {
		if w.now-f.last() > streamIdle {
			w.identify(f)
		}
	}
	return len(w.streams.of) < maxStreams
}

// streamOf takes in the data of a segment.
func (w *Watch) streamOf(f *flow, dir int, s *segment) {
	kept := w.sampled(f, dir, s.data)
	if kept == nil {
		return
	}
	h, limit := &kept.half[dir], sentLimit
	if dir == received {
		limit = replyLimit
	}
	if d := &f.half[dir]; !h.known && d.is(hasInitial) {
		h.base, h.known = d.initial+1, true
	}
	seq := s.seq
	if s.is(packet.SYN) { // with data: RFC 7413
		seq++
	}
	if len(s.data) > limit {
		s.data = s.data[:limit]
	}
	w.streams.scratch = append(w.streams.scratch[:0], s.data...) // a capture's bytes are not to be changed
	h.add(seq, w.streams.scratch, limit)
	if len(kept.half[received].prefix()) == replyLimit {
		w.identify(f)
	}
}

// firstDatagram takes in the first datagram of each direction.
func (w *Watch) firstDatagram(f *flow, dir int, data []byte) {
	kept := w.sampled(f, dir, data)
	if kept == nil || len(kept.half[dir].bytes) > 0 {
		return
	}
	limit := sentLimit
	if dir == received {
		limit = replyLimit
	}
	kept.half[dir].add(0, data[:min(len(data), limit)], limit)
	if dir == received {
		w.identify(f)
	}
}

// identify finds out what speaks on a connection, by what was kept of it.
func (w *Watch) identify(f *flow) {
	s := w.streams.of[f]
	f.flags |= noStream
	if s == nil {
		return
	}
	f.flags &^= hasStream
	delete(w.streams.of, f)
	if s.half[sent].disagree || s.half[received].disagree {
		w.count.Disagree++
	}
	asked, replied := s.half[sent].prefix(), s.half[received].prefix()
	if len(asked) > 0 && len(w.streams.greetings) < maxGreetings {
		if g := service.GreetingOf(asked); g != nil {
			w.streams.greetings[f] = g
		}
	}
	e := w.ends.at(f.endpoint)
	if e.known {
		return
	}
	found := service.Observed(service.Observation{Proto: f.key.proto, Sent: asked, Received: replied, Greeted: s.greeted,
		Time: time.Unix(0, w.now)})
	if found == nil {
		return
	}
	before := w.ends.services[f.endpoint]
	if before == nil || rank(found) > rank(before) {
		w.ends.services[f.endpoint] = found
		e.known = rank(found) >= certain
	}
}

// certain is the rank of a service that is not looked for any more.
const certain = 4

// rank orders what is known of a service.
func rank(s *probe.Service) int {
	n := map[probe.Confidence]int{probe.Low: 1, probe.Medium: 2, probe.High: 3}[s.Confidence]
	if n > 0 && s.Version != "" || s.TLS != nil && s.TLS.Version != "" {
		n++
	}
	return n
}
