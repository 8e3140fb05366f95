package request

import "slices"

// Request is the first message of a client to a service. Requests are shared: their
// fields must not be changed.
type Request struct {
	Name          string   // unique among those of its transport protocol; reports quote it
	Service       string   // the service that answers it
	Ports         []uint16 // the ports where that service is usually found
	Rarity        int      // of the service on other ports: 1 is the most frequent, or Rare
	AfterGreeting bool     // the server sends first
	Generic       bool     // sent only as long as no more than Service is known of the peer
	Continues     bool     // it may follow another request that was answered on the same connection
	Lists         bool     // the answer lists what the server can do: it is sent where the software is known, too
	Completes     bool     // it ends a handshake that the server would count as failed
	Goodbye       string   // ends the session, so that the server need not log a client that vanished

	data       string                   // the message, or
	build      func() []byte            // what makes it, or
	buildFor   func(host string) []byte // what makes it for a host name
	newPort    bool                     // UDP: the answer may come from another port of the host
	probesOnly bool                     // UDP: for Payloads alone, since another request identifies the service better
}

// Rare is the Rarity of a request that is sent to its own ports, or once an answer
// has pointed to its service, and never else.
const Rare = 99

// Bytes returns the message to a host, by the name that led to its address; the
// name may be empty.
func (r *Request) Bytes(host string) []byte {
	switch {
	case r.buildFor != nil:
		return r.buildFor(host)
	case r.build != nil:
		return r.build()
	}
	return []byte(r.data)
}

// UsualOn reports whether the service is usually found on the port.
func (r *Request) UsualOn(port uint16) bool { return slices.Contains(r.Ports, port) }

// TCP returns the requests that identify a service over TCP, beside HTTP and those of
// TLS.
// The list is the caller's.
func TCP() []*Request { return pointers(tcp) }

// UDP returns the requests that identify a service over UDP, each one datagram.
// The list is the caller's.
func UDP() []*Request {
	return slices.DeleteFunc(pointers(udp), func(r *Request) bool { return r.probesOnly })
}

func pointers(table []Request) []*Request {
	list := make([]*Request, len(table))
	for i := range table {
		list[i] = &table[i]
	}
	return list
}

// Messages that are sent over TCP and over UDP, and parts of several.
const (
	// RFC 8489, section 5: a Binding request, the magic cookie, a transaction.
	stunBinding = "\x00\x01\x00\x00\x21\x12\xa4\x42onmux-417417"

	// RFC 5531, section 9: a call; program, version, procedure 0, which does nothing (NULL), and empty
	// credentials follow.
	rpcCall = "\x04\x17\x04\x17\x00\x00\x00\x00\x00\x00\x00\x02"
	// RFC 1833, section 3: the port mapper is program 100000, version 2.
	rpcNullPortmap = rpcCall + "\x00\x01\x86\xa0\x00\x00\x00\x02" + zeros20

	// RFC 1157, section 4.1: of an SNMP message, what follows the version.
	snmpGet = "\x04\x06public\xa0\x19\x02\x01\x17\x02\x01\x00\x02\x01\x00" +
		"\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00"

	// RFC 7296, section 3.1: the header of IKE_SA_INIT, and nothing else.
	ikeVersion3 = "onmux417\x00\x00\x00\x00\x00\x00\x00\x00\x00\x30\x22\x08\x00\x00\x00\x00\x00\x00\x00\x1c"

	zeros19 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	zeros20 = zeros19 + "\x00"
)
