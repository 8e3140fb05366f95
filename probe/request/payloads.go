package request

import "sync"

// Payload is the datagram of the first attempt at a UDP port: Payloads(port)[0].
func Payload(port uint16) []byte { return Payloads(port)[0] }

// PayloadOf is the datagram of an attempt at a port, counted from 1: Payloads in
// turn, and then from the first again. 0 is 1.
func PayloadOf(port uint16, try int) []byte {
	all := Payloads(port)
	return all[max(try-1, 0)%len(all)]
}

// HasPayload reports whether Payloads are those of the service that the port is registered for.
func HasPayload(port uint16) bool {
	_, ok := payloadNames[port]
	return ok
}

// First is the request whose bytes are Payload(port) of a port that HasPayload; nil for any other port, and where
// the datagram is empty.
func First(port uint16) *Request {
	names := payloadNames[port]
	for i := range udp {
		if len(names) > 0 && udp[i].Name == names[0] && len(udp[i].Bytes("")) > 0 {
			return &udp[i]
		}
	}
	return nil
}

// RepliesFromNewPort reports whether the answer to the PayloadOf an attempt may come
// from another port of the host: a TFTP server takes a new one for each file (RFC
// 1350, section 4).
func RepliesFromNewPort(port uint16, try int) bool {
	all := attempts().of(port).newPort
	return all[max(try-1, 0)%len(all)]
}

// IsNewPortReply reports whether a datagram can be the answer that a TFTP server sends
// from a new port: data, an acknowledgment, an error (RFC 1350, section 5), or an
// acknowledgment of options (RFC 2347).
func IsNewPortReply(payload []byte) bool {
	return len(payload) >= 4 && payload[0] == 0 && payload[1] >= 3 && payload[1] <= 6
}

// Payloads returns the datagrams for a UDP port, one for each attempt in turn, at
// least one: requests of the service registered there, since most services ignore a
// datagram that they cannot read. A port without a known service, such as 417, gets
// an empty datagram first, and then requests of the most frequent services.
//
// The caller must change neither list nor bytes; ports with the same requests share
// one list.
func Payloads(port uint16) [][]byte { return attempts().of(port).payloads }

// datagrams are the payloads for one port, by attempt.
type datagrams struct {
	payloads [][]byte
	newPort  []bool // the answer may come from another port
}

// attemptTable has the datagrams of all ports.
type attemptTable struct {
	byPort map[uint16]*datagrams
	other  *datagrams
}

func (t *attemptTable) of(port uint16) *datagrams {
	if d, ok := t.byPort[port]; ok {
		return d
	}
	return t.other
}

// attempts is made when it is first needed: few commands send datagrams.
var attempts = sync.OnceValue(func() *attemptTable {
	byName := make(map[string]*Request, len(udp))
	for i := range udp {
		byName[udp[i].Name] = &udp[i]
	}
	resolve := func(names []string) *datagrams {
		d := new(datagrams)
		for _, name := range names {
			r := byName[name]
			d.payloads = append(d.payloads, r.Bytes(""))
			d.newPort = append(d.newPort, r.newPort)
		}
		return d
	}
	t := &attemptTable{byPort: make(map[uint16]*datagrams, len(payloadNames)), other: resolve(anyPort)}
	for port, names := range payloadNames {
		t.byPort[port] = resolve(names)
	}
	return t
})
