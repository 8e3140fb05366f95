package wire

import (
	"encoding/binary"

	"onmux/probe"
	"onmux/scan/ip"
	"onmux/scan/packet"
	"onmux/scan/verdict"
)

// segment is a TCP segment: RFC 9293, section 3.1.
type segment struct {
	flags    uint8
	seq, ack uint32
	data     []byte // as far as it was captured
	size     int    // of the data as sent
	window   uint16
	options  bool
}

func (s *segment) is(flags uint8) bool { return s.flags&flags != 0 }

// end is the sequence number after the segment.
func (s *segment) end() uint32 {
	n := uint32(s.size)
	if s.is(packet.SYN) {
		n++
	}
	if s.is(packet.FIN) {
		n++
	}
	return s.seq + n
}

// tcp takes in a segment, if it is to or from one of the ports.
func (t *tracker) tcp(q *ip.Packet) {
	b := q.Body
	if len(b) < 4 {
		t.count.Malformed++
		return
	}
	from, to := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	set := &t.ports[probe.TCP]
	fromServer, toServer := set.has(from), set.has(to)
	if !fromServer && !toServer {
		return
	}
	if len(b) < 16 { // up to the window
		t.count.Malformed++
		return
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > q.Size {
		t.count.Malformed++
		return
	}
	s := segment{flags: b[13], seq: binary.BigEndian.Uint32(b[4:]), ack: binary.BigEndian.Uint32(b[8:]),
		window: binary.BigEndian.Uint16(b[14:]), options: header > 20, size: q.Size - header}
	if len(b) > header {
		s.data = b[header:]
	}
	key, fromB := keyOf(placeOf(q.Src, from), placeOf(q.Dst, to), probe.TCP)
	t.segment(q, &s, &key, fromB, fromServer, toServer)
}

// segment finds the flow of a segment, or begins one, and takes the segment in.
func (t *tracker) segment(q *ip.Packet, s *segment, key *flowKey, fromB, fromServer, toServer bool) {
	f := t.flows.find(key)
	opens := s.flags&(packet.SYN|packet.ACK|packet.RST) == packet.SYN
	if f != nil && opens && f.isAnother(s, fromB) {
		t.finish(f)
		f = nil
	}
	if f == nil {
		clientB, ok := fromB, true
		switch {
		case opens:
			ok = toServer // else the port is that of a client
		case s.is(packet.RST):
			ok = false // nobody asked, as far as the capture shows
		case s.is(packet.SYN): // an answer, to a question that was not seen
			clientB, ok = !fromB, fromServer
		case fromServer && toServer:
			lowerIsB := key.b.port < key.a.port
			clientB = !lowerIsB
		case fromServer:
			clientB = !fromB
		}
		if !ok {
			if s.is(packet.RST) {
				t.count.Stray++
			}
			return
		}
		if f = t.begin(key, clientB); f == nil {
			return
		}
		if !opens {
			f.flags |= midway
		}
	}
	dir := f.direction(fromB)
	if !t.passes(f, dir, s.size) {
		return
	}
	f.half[dir].sequence(s, t.now)
	if dir == sent {
		t.fromClient(f, s)
	} else {
		t.fromEndpoint(f, s, q.TTL)
	}
	if len(s.data) > 0 && !f.is(noStream) {
		t.services.segment(f, dir, s, t.now)
	}
	if f.half[sent].is(finished) && f.half[received].is(finished) || s.is(packet.RST) {
		t.services.identify(f, t.now)
	}
}

// isAnother reports whether a SYN begins another connection between the places of f.
func (f *flow) isAnother(s *segment, fromB bool) bool {
	d := &f.half[sent]
	if f.direction(fromB) != sent {
		return f.is(midway) // who is the client was a guess
	}
	if d.is(hasInitial) && d.initial == s.seq {
		return false
	}
	return f.cell.HasAnswer() || f.is(midway|halfSeen)
}

// gapUnit is the unit of direction.gapAt in nanoseconds, and reorder how many of them later
// a segment may come that fills a gap and was not sent again: Wireshark's 3 ms.
const (
	gapUnit = 1e6
	reorder = 3
)

// sequence counts segments that bring what was seen before.
func (d *direction) sequence(s *segment, now int64) {
	end := s.end()
	if end == s.seq {
		return // an acknowledgment
	}
	if s.is(packet.SYN) {
		if d.is(hasInitial) && d.initial == s.seq {
			d.repeated++
			return
		}
		d.initial, d.next = s.seq, end
		d.marks |= hasInitial | hasNext
		return
	}
	if s.is(packet.FIN) {
		d.marks |= finished
	}
	at := uint32(now / gapUnit)
	switch ahead := int32(s.seq - d.next); {
	case !d.is(hasNext):
		d.next = end
		d.marks |= hasNext
	case ahead > 0:
		d.gapFrom, d.gapTo, d.gapAt = d.next, s.seq, at
		d.next = end
	case ahead == 0:
		d.next = end
	case s.size <= 1 && ahead == -1 && !s.is(packet.FIN): // keeps a connection alive: RFC 9293, section 3.8.4
	case int32(s.seq-d.gapFrom) >= 0 && int32(end-d.gapTo) <= 0 && at-d.gapAt < reorder: // out of order
	default:
		d.repeated++
		if int32(end-d.next) > 0 {
			d.next = end
		}
	}
}

// fromClient takes in a segment of the client.
func (t *tracker) fromClient(f *flow, s *segment) {
	d := &f.half[sent]
	switch {
	case s.is(packet.RST):
		d.marks |= reset
	case s.is(packet.SYN):
		t.asks(f)
	case !s.is(packet.ACK):
	case f.cell.Class() == verdict.SynAck:
		if !f.is(established) {
			f.flags |= established
			if f.answered > 0 && !f.half[received].isRepeated() {
				f.clientRTT = t.now - f.answered
			}
		}
	case f.is(midway):
		t.open(f)
	case d.is(hasInitial) && s.seq-d.initial <= 1<<30 && s.seq != d.initial && !f.is(halfSeen):
		// The client goes on: it has an answer that the capture has not.
		f.flags |= halfSeen | established
		t.scope.halfSeen++
		t.open(f)
	}
}

func (d *direction) isRepeated() bool { return d.repeated > 0 }

// fromEndpoint takes in a segment of the endpoint.
func (t *tracker) fromEndpoint(f *flow, s *segment, ttl uint8) {
	client := &f.half[sent]
	acknowledges := client.is(hasInitial) && (s.ack == client.initial+1 || s.ack == client.initial && s.is(packet.RST))
	switch {
	case s.is(packet.RST):
		f.half[received].marks |= reset
		if f.cell.Class() == verdict.SynAck || f.is(midway) {
			return // the end of a connection
		}
		if !acknowledges || !s.is(packet.ACK) {
			t.count.Stray++
			return
		}
		f.measure(t.now)
		t.answered(f, verdict.Reset)
		t.ends.at(f.endpoint).reached(f, ttl)
		t.announcer.announce(f)
	case s.is(packet.SYN) && s.is(packet.ACK):
		if f.asked > 0 && !acknowledges {
			t.count.Stray++
			return
		}
		if f.cell.Class() == verdict.SynAck {
			return
		}
		f.answered = t.now
		f.measure(t.now)
		if s.window == 0 {
			f.flags |= zeroWindow
		}
		if !s.options {
			f.flags |= noOptions
		}
		t.answered(f, verdict.SynAck)
		t.ends.at(f.endpoint).reached(f, ttl)
		t.announcer.announce(f)
	case s.is(packet.ACK) && f.is(midway):
		t.open(f)
	}
}
