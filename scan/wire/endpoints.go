package wire

import (
	"onmux/probe"
	"onmux/scan/verdict"
)

// endpoint is what is known of one beyond its flows. It has no pointers.
type endpoint struct {
	key          endpointKey
	cell         verdict.Cell
	ttl          uint8
	icmp         probe.ICMP
	samples      uint8    // connections whose first bytes were looked at
	contradicted bool     // answers made different states
	known        bool     // the service is certain
	responder    [16]byte // of an ICMP error, if not the endpoint
	asked        int64    // when the first question passed
	rtt          int64    // the shortest, in nanoseconds
}

// maxEndpoints bounds the endpoints that are kept.
const maxEndpoints = 1 << 20

// endpointTable holds endpoints by key. The zero value is empty.
type endpointTable struct {
	index  map[endpointKey]uint32
	chunks []*[chunk]endpoint
}

func (t *endpointTable) at(i uint32) *endpoint { return &t.chunks[i/chunk][i%chunk] }

func (t *endpointTable) len() int { return len(t.index) }

// number is that of an endpoint, a new one if it was not seen before; false if
// there is no room.
func (t *endpointTable) number(k endpointKey) (uint32, bool) {
	if i, ok := t.index[k]; ok {
		return i, true
	}
	if len(t.index) == maxEndpoints {
		return 0, false
	}
	if t.index == nil {
		t.index = make(map[endpointKey]uint32)
	}
	i := uint32(len(t.index))
	if i%chunk == 0 {
		t.chunks = append(t.chunks, new([chunk]endpoint))
	}
	t.index[k] = i
	t.at(i).key = k
	return i, true
}

// reached notes the TTL and the round trip of an answer of the endpoint itself, if it is the
// one that counts.
func (e *endpoint) reached(f *flow, ttl uint8) {
	if e.cell.Class() != f.cell.Class() {
		return
	}
	if e.ttl == 0 {
		e.ttl = ttl
	}
	if f.rtt > 0 && (e.rtt == 0 || f.rtt < e.rtt) {
		e.rtt = f.rtt
	}
}
