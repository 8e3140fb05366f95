package wire

import (
	"maps"
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

// identifier keeps the first bytes of some connections, and finds out by them which services
// the endpoints offer and what the clients sent first.
type identifier struct {
	ends      *endpointTable
	streams   map[*flow]*stream
	greetings map[*flow]*traffic.Greeting
	services  map[uint32]*probe.Service // by endpoint
	scratch   []byte
	swept     int64  // when idle streams were looked for
	disagree  uint64 // connections with segments that disagree about the same bytes
}

func newIdentifier(ends *endpointTable) *identifier {
	return &identifier{ends: ends, streams: make(map[*flow]*stream), greetings: make(map[*flow]*traffic.Greeting),
		services: make(map[uint32]*probe.Service)}
}

// stream is that of a flow, a new one if its bytes are of use, or nil.
func (i *identifier) stream(f *flow, dir int, data []byte, now int64) *stream {
	if f.is(hasStream) {
		return i.streams[f]
	}
	e := i.ends.at(f.endpoint)
	isTLS := dir == sent && len(data) > 2 && data[0] == 22 && data[1] == 3
	if f.is(midway) || !isTLS && (e.known || e.samples >= maxSamples) {
		f.flags |= noStream
		return nil
	}
	if len(i.streams) >= maxStreams && !i.makeRoom(now) {
		f.flags |= noStream
		return nil
	}
	if e.samples < maxSamples {
		e.samples++
	}
	s := &stream{greeted: dir == received}
	i.streams[f] = s
	f.flags |= hasStream
	return s
}

// makeRoom ends streams on which nothing passes, at most once a second.
func (i *identifier) makeRoom(now int64) bool {
	if now-i.swept < 1e9 {
		return false
	}
	i.swept = now
	for f := range i.streams {
		if now-f.last() > streamIdle {
			i.identify(f, now)
		}
	}
	return len(i.streams) < maxStreams
}

// limitOf is how many bytes of a direction are kept.
func limitOf(dir int) int {
	if dir == received {
		return replyLimit
	}
	return sentLimit
}

// segment takes in the data of one.
func (i *identifier) segment(f *flow, dir int, s *segment, now int64) {
	kept := i.stream(f, dir, s.data, now)
	if kept == nil {
		return
	}
	h, limit := &kept.half[dir], limitOf(dir)
	if d := &f.half[dir]; !h.known && d.is(hasInitial) {
		h.base, h.known = d.initial+1, true
	}
	seq := s.seq
	if s.is(packet.SYN) { // with data: RFC 7413
		seq++
	}
	data := s.data[:min(len(s.data), limit)]
	i.scratch = append(i.scratch[:0], data...) // a capture's bytes are not to be changed
	h.add(seq, i.scratch, limit)
	if len(kept.half[received].prefix()) == replyLimit {
		i.identify(f, now)
	}
}

// datagram takes in the first of each direction.
func (i *identifier) datagram(f *flow, dir int, data []byte, now int64) {
	kept := i.stream(f, dir, data, now)
	if kept == nil || len(kept.half[dir].bytes) > 0 {
		return
	}
	limit := limitOf(dir)
	kept.half[dir].add(0, data[:min(len(data), limit)], limit)
	if dir == received {
		i.identify(f, now)
	}
}

// identify finds out what speaks on a connection, by what was kept of it.
func (i *identifier) identify(f *flow, now int64) {
	s := i.streams[f]
	f.flags |= noStream
	if s == nil {
		return
	}
	f.flags &^= hasStream
	delete(i.streams, f)
	if s.half[sent].disagree || s.half[received].disagree {
		i.disagree++
	}
	asked, replied := s.half[sent].prefix(), s.half[received].prefix()
	if len(asked) > 0 && len(i.greetings) < maxGreetings {
		if g := service.GreetingOf(asked); g != nil {
			i.greetings[f] = g
		}
	}
	e := i.ends.at(f.endpoint)
	if e.known {
		return
	}
	found := service.Observed(service.Observation{Proto: f.key.proto, Sent: asked, Received: replied, Greeted: s.greeted,
		Time: time.Unix(0, now)})
	if found == nil {
		return
	}
	before := i.services[f.endpoint]
	if before == nil || rank(found) > rank(before) {
		i.services[f.endpoint] = found
		e.known = rank(found) >= certain
	}
}

// finish identifies what is left.
func (i *identifier) finish(now int64) {
	for f := range maps.Clone(i.streams) {
		i.identify(f, now)
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
