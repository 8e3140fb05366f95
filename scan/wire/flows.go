package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/scan/verdict"
)

// place is an address and a port. IPv4 addresses are as in RFC 4291, section 2.5.5.2, so
// that a place has no pointers and millions cost the collector nothing.
type place struct {
	addr [16]byte
	port uint16
}

func placeOf(a netip.Addr, port uint16) place { return place{a.As16(), port} }

func (p place) less(q place) bool {
	a, b := binary.BigEndian.Uint64(p.addr[:]), binary.BigEndian.Uint64(q.addr[:])
	if a != b {
		return a < b
	}
	a, b = binary.BigEndian.Uint64(p.addr[8:]), binary.BigEndian.Uint64(q.addr[8:])
	if a != b {
		return a < b
	}
	return p.port < q.port
}

// address is that of a place or a flow.
func address(b [16]byte) netip.Addr { return netip.AddrFrom16(b).Unmap() }

// flowKey names a flow whichever way a packet goes: the lower place is first.
type flowKey struct {
	a, b  place
	proto probe.Proto
}

// endpointKey names an endpoint.
type endpointKey struct {
	place
	proto probe.Proto
}

// The directions of a flow.
const (
	sent     = 0 // by the client
	received = 1 // by the client, from the endpoint
)

// direction is what is known of one half of a flow.
type direction struct {
	bytes    uint64 // of data, repeated ones included
	last     int64  // when the last packet passed
	packets  uint32
	repeated uint32 // packets whose data was seen before
	next     uint32 // TCP: the sequence number after the highest seen
	gapFrom  uint32 // TCP: the last jump of sequence numbers, which may be of packets out of order
	gapTo    uint32
	gapAt    uint32 // in units of gapUnit
	initial  uint32 // TCP: the sequence number of the SYN
	via      uint32 // the interface on which packets count; 0 for none yet
	marks    marks
}

// marks are facts about one half of a flow.
type marks uint8

const (
	hasInitial marks = 1 << iota // initial is set
	hasNext                      // next is set
	finished                     // it sent a FIN
	reset                        // it sent a RST
)

func (d *direction) is(m marks) bool { return d.marks&m != 0 }

// flow is what two places exchanged: of TCP one connection, or attempts to make it. It has
// no pointers.
type flow struct {
	key       flowKey
	first     int64 // when its first packet passed
	asked     int64 // when the client asked first; 0 if that was not seen
	answered  int64 // when the SYN-ACK passed
	rtt       int64 // from the question to the answer, in nanoseconds; 0 if it was not measured
	clientRTT int64 // from the SYN-ACK to the client's ACK
	half      [2]direction
	endpoint  uint32 // its number
	asks      uint32
	cell      verdict.Cell
	icmp      probe.ICMP
	flags     flowFlags
}

// flowFlags are facts about a flow.
type flowFlags uint16

const (
	clientIsB   flowFlags = 1 << iota // the client is place b of the key
	inUse                             // the slot has a flow
	halfSeen                          // the client went on though no answer is in the capture
	midway                            // it began before the capture
	established                       // the handshake is complete
	hasStream                         // its first bytes are kept
	noStream                          // they are not to be kept any more
	announced                         // the caller knows of it
	zeroWindow                        // the SYN-ACK offered no window
	noOptions                         // the SYN-ACK had no options
	repeatedSYN                       // more than one question: round trips are ambiguous (Karn)
)

func (f *flow) is(x flowFlags) bool { return f.flags&x != 0 }

func (f *flow) client() place {
	if f.is(clientIsB) {
		return f.key.b
	}
	return f.key.a
}

func (f *flow) server() place {
	if f.is(clientIsB) {
		return f.key.a
	}
	return f.key.b
}

func (f *flow) last() int64 { return max(f.half[sent].last, f.half[received].last) }

// direction is the half of the flow in which a packet of place a or b passes.
func (f *flow) direction(fromB bool) int {
	if fromB != f.is(clientIsB) {
		return received
	}
	return sent
}

// chunk is how many flows are allocated at a time.
const chunk = 1 << 12

// flowTable holds flows by key. The zero value is empty.
type flowTable struct {
	index  map[flowKey]uint32
	chunks []*[chunk]flow
	free   []uint32 // slots
	used   uint32   // slots that were ever used
}

func (t *flowTable) at(i uint32) *flow { return &t.chunks[i/chunk][i%chunk] }

func (t *flowTable) len() int { return len(t.index) }

// find returns the flow of a key, or nil.
func (t *flowTable) find(k *flowKey) *flow {
	if i, ok := t.index[*k]; ok {
		return t.at(i)
	}
	return nil
}

// add adds an empty flow of a key that has none.
func (t *flowTable) add(k *flowKey) *flow {
	if t.index == nil {
		t.index = make(map[flowKey]uint32)
	}
	var i uint32
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		if t.used%chunk == 0 {
			t.chunks = append(t.chunks, new([chunk]flow))
		}
		i = t.used
		t.used++
	}
	t.index[*k] = i
	f := t.at(i)
	*f = flow{key: *k, flags: inUse}
	return f
}

// remove removes a flow, whose slot is used again.
func (t *flowTable) remove(f *flow) {
	if i, ok := t.index[f.key]; ok {
		delete(t.index, f.key)
		f.flags = 0
		t.free = append(t.free, i)
	}
}

// each calls f for every slot in use.
func (t *flowTable) each(do func(i uint32, f *flow)) {
	for i := range t.used {
		if f := t.at(i); f.is(inUse) {
			do(i, f)
		}
	}
}

// oldest calls f for a share of the flows, those on which nothing has passed for longest.
func (t *flowTable) oldest(share int, do func(f *flow)) {
	ages := make([]int64, 0, t.len())
	t.each(func(_ uint32, f *flow) { ages = append(ages, f.last()) })
	slices.Sort(ages)
	limit := ages[len(ages)/share]
	left := max(len(ages)/share, 1)
	t.each(func(_ uint32, f *flow) {
		if left > 0 && f.last() <= limit {
			left--
			do(f)
		}
	})
}

// keyOf is the key of a packet from one place to another, and whether its sender is
// place b.
func keyOf(from, to place, proto probe.Proto) (k flowKey, fromB bool) {
	if to.less(from) {
		return flowKey{to, from, proto}, true
	}
	return flowKey{from, to, proto}, false
}

// passes counts a packet with so much data that passed an interface. It returns false for the
// copy of one on another interface, which counts for nothing.
func (d *direction) passes(data int, now int64, via uint32) bool {
	if d.via != via {
		if d.via != 0 && now-d.last < otherInterface {
			return false
		}
		d.via = via
	}
	d.packets++
	d.bytes += uint64(data)
	d.last = max(d.last, now)
	return true
}

// otherInterface is how long a flow must be silent on one interface, in nanoseconds, before
// its packets on another count: until then they are copies on the way through this machine.
const otherInterface = 1e9

// measure takes the time from a question to its answer, if it is clear which was answered.
func (f *flow) measure(now int64) {
	if f.asked > 0 && !f.is(repeatedSYN) && now >= f.asked {
		f.rtt = now - f.asked
	}
}
