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
func (w *Watch) tcp(q *ip.Packet) {
	b := q.Body
	if len(b) < 4 {
		w.count.Malformed++
		return
	}
	from, to := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	set := &w.ports[probe.TCP]
	fromServer, toServer := set.has(from), set.has(to)
	if !fromServer && !toServer {
		return
	}
	if len(b) < 16 { // up to the window
		w.count.Malformed++
		return
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > q.Size {
		w.count.Malformed++
		return
	}
	s := segment{flags: b[13], seq: binary.BigEndian.Uint32(b[4:]), ack: binary.BigEndian.Uint32(b[8:]),
		window: binary.BigEndian.Uint16(b[14:]), options: header > 20, size: q.Size - header}
	if len(b) > header {
		s.data = b[header:]
	}
	key, fromB := keyOf(placeOf(q.Src, from), placeOf(q.Dst, to), probe.TCP)
	w.segment(q, &s, &key, fromB, fromServer, toServer)
}

// segment finds the flow of a segment, or begins one, and takes the segment in.
func (w *Watch) segment(q *ip.Packet, s *segment, key *flowKey, fromB, fromServer, toServer bool) {
	f := w.flows.find(key)
	opens := s.flags&(packet.SYN|packet.ACK|packet.RST) == packet.SYN
	if f != nil && opens && w.isAnother(f, s, fromB) {
		w.finish(f)
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
				w.count.Stray++
			}
			return
		}
		if f = w.begin(key, clientB); f == nil {
			return
		}
		if !opens {
			f.flags |= midway
		}
	}
	dir := sent
	if fromB != f.is(clientIsB) {
		dir = received
	}
	if w.matched = w.passes(f, dir, s.size); !w.matched {
		return
	}
	w.sequence(&f.half[dir], s)
	if dir == sent {
		w.fromClient(f, s)
	} else {
		w.fromEndpoint(f, s, q.TTL)
	}
	if len(s.data) > 0 && !f.is(noStream) {
		w.streamOf(f, dir, s)
	}
	if f.half[sent].is(finished) && f.half[received].is(finished) || s.is(packet.RST) {
		w.identify(f)
	}
}

// isAnother reports whether a SYN begins another connection between the places of f.
func (w *Watch) isAnother(f *flow, s *segment, fromB bool) bool {
	d := &f.half[sent]
	if fromB != f.is(clientIsB) {
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
func (w *Watch) sequence(d *direction, s *segment) {
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
	at := uint32(w.now / gapUnit)
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
func (w *Watch) fromClient(f *flow, s *segment) {
	d := &f.half[sent]
	switch {
	case s.is(packet.RST):
		d.marks |= reset
	case s.is(packet.SYN):
		w.asks(f)
	case !s.is(packet.ACK):
	case f.cell.Class() == verdict.SynAck:
		if !f.is(established) {
			f.flags |= established
			if f.answered > 0 && !f.half[received].isRepeated() {
				f.clientRTT = w.now - f.answered
			}
		}
	case f.is(midway):
		w.open(f)
	case d.is(hasInitial) && s.seq-d.initial <= 1<<30 && s.seq != d.initial && !f.is(halfSeen):
		// The client goes on: it has an answer that the capture has not.
		f.flags |= halfSeen | established
		w.halfSeen++
		w.open(f)
	}
}

func (d *direction) isRepeated() bool { return d.repeated > 0 }

// open takes in that a connection exists though its SYN-ACK was not seen.
func (w *Watch) open(f *flow) {
	if f.cell.Class() != verdict.SynAck {
		f.cell, _, _ = f.cell.Merge(verdict.SynAck, probe.TCP)
		e := w.ends.at(f.endpoint)
		e.cell, _, _ = e.cell.Merge(verdict.SynAck, probe.TCP)
		w.announce(f)
	}
}

// asks takes in a question.
func (w *Watch) asks(f *flow) {
	f.asks++
	if f.asked == 0 {
		f.asked = w.now
		w.await(f)
	} else if !f.cell.HasAnswer() {
		f.flags |= repeatedSYN
	}
	f.cell = f.cell.Ask()
	e := w.ends.at(f.endpoint)
	e.cell = e.cell.Ask()
	if e.asked == 0 {
		e.asked = w.now
	}
}

// fromEndpoint takes in a segment of the endpoint.
func (w *Watch) fromEndpoint(f *flow, s *segment, ttl uint8) {
	client := &f.half[sent]
	acknowledges := client.is(hasInitial) && (s.ack == client.initial+1 || s.ack == client.initial && s.is(packet.RST))
	switch {
	case s.is(packet.RST):
		f.half[received].marks |= reset
		if f.cell.Class() == verdict.SynAck || f.is(midway) {
			return // the end of a connection
		}
		if !acknowledges || !s.is(packet.ACK) {
			w.count.Stray++
			return
		}
		w.measure(f)
		w.answered(f, verdict.Reset)
		w.reached(f, ttl)
		w.announce(f)
	case s.is(packet.SYN) && s.is(packet.ACK):
		if f.asked > 0 && !acknowledges {
			w.count.Stray++
			return
		}
		if f.cell.Class() == verdict.SynAck {
			return
		}
		f.answered = w.now
		w.measure(f)
		if s.window == 0 {
			f.flags |= zeroWindow
		}
		if !s.options {
			f.flags |= noOptions
		}
		w.answered(f, verdict.SynAck)
		w.reached(f, ttl)
		w.announce(f)
	case s.is(packet.ACK) && f.is(midway):
		w.open(f)
	}
}

// measure takes the time from a question to its answer, if it is clear which was answered.
func (w *Watch) measure(f *flow) {
	if f.asked > 0 && !f.is(repeatedSYN) && w.now >= f.asked {
		f.rtt = w.now - f.asked
	}
}

// reached notes the TTL of an answer of the endpoint itself, if it is the one that counts.
func (w *Watch) reached(f *flow, ttl uint8) {
	e := w.ends.at(f.endpoint)
	if e.cell.Class() == f.cell.Class() && e.ttl == 0 {
		e.ttl = ttl
	}
	if f.rtt > 0 && e.cell.Class() == f.cell.Class() && (e.rtt == 0 || f.rtt < e.rtt) {
		e.rtt = f.rtt
	}
}
