package traffic

import "time"

// Totals are what passed to and from an endpoint, as a capture shows it.
type Totals struct {
	First       time.Time `json:"first,omitzero"` // when the first packet passed, UTC
	Last        time.Time `json:"last,omitzero"`
	Clients     uint64    `json:"clients"`     // addresses; a range that was folded counts as one
	Connections uint64    `json:"connections"` // of TCP, or pairs of ports of UDP, attempts included
	Answered    uint64    `json:"answered"`    // of Connections: accepted, or replied to
	Refused     uint64    `json:"refused,omitzero"`
	Silent      uint64    `json:"silent,omitzero"` // nothing came back
	Sent        Volume    `json:"sent"`            // by the clients
	Received    Volume    `json:"received"`        // by the clients
}

// Volume is what passed in one direction.
type Volume struct {
	Packets  uint64 `json:"packets"`
	Bytes    uint64 `json:"bytes"`             // of data, without headers; repeated ones count again
	Repeated uint64 `json:"repeated,omitzero"` // packets whose data had passed before: retransmissions
}

// Add adds what passed elsewhere.
func (v *Volume) Add(o Volume) {
	v.Packets += o.Packets
	v.Bytes += o.Bytes
	v.Repeated += o.Repeated
}

// Greeting is what a client sent first, as far as its protocol is known.
type Greeting struct {
	Protocol   string   `json:"protocol"`              // by the name of its service
	ServerName string   `json:"server_name,omitempty"` // that a client of TLS asks for
	ALPN       []string `json:"alpn,omitempty"`        // that it offers
	JA4        string   `json:"ja4,omitempty"`         // its fingerprint
}
