package wire

import (
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/probe/traffic"
	"onmux/scan/verdict"
)

// Flow is what a client and an endpoint exchanged: of TCP one connection, or the attempts
// to make it; of UDP the datagrams between two ports. It is the record of type "flow" in
// documents. Several that were folded are one Flow, with Connections above 1. What is not
// known is zero and left out.
type Flow struct {
	Peer
	probe.Endpoint
	Connections uint64            `json:"connections,omitzero"` // if they are several
	State       probe.State       `json:"state"`
	Reason      probe.Reason      `json:"reason,omitzero"`
	Tries       int               `json:"tries,omitzero"`         // of the client, until it was answered or gave up
	First       time.Time         `json:"first,omitzero"`         // when the first packet passed, UTC
	Last        time.Time         `json:"last,omitzero"`          // when the last one did
	RTT         probe.Millis      `json:"rtt_ms,omitzero"`        // from the question to the answer, where it was captured
	ClientRTT   probe.Millis      `json:"client_rtt_ms,omitzero"` // from the SYN-ACK to the client's ACK
	Sent        traffic.Volume    `json:"sent"`                   // by the client
	Received    traffic.Volume    `json:"received"`               // by the client
	End         End               `json:"end,omitempty"`          // how the connection ended, if it did
	Greeting    *traffic.Greeting `json:"greeting,omitempty"`     // what the client sent first
	Event       Event             `json:"event,omitempty"`        // why it is written while it goes on
}

// Kind names the record's type in documents.
func (Flow) Kind() string { return "flow" }

// Peer is the client of a flow, or of those that were folded.
type Peer struct {
	Client     netip.Addr `json:"client"`
	ClientPort uint16     `json:"client_port,omitzero"` // 0 of several
	LastClient netip.Addr `json:"last_client,omitzero"` // the end of a range of clients, of which some had flows
}

// End is how a connection ended.
type End string

// The ends of a connection. It has none while it goes on, or where the capture ends before.
const (
	Closed        End = "closed"          // both sides sent a FIN
	ResetByClient End = "reset-by-client" // the client reset it
	ResetByEnd    End = "reset"           // the endpoint reset it
)

// Event is what happened to a flow that goes on.
type Event string

// Began is the event of a flow whose endpoint has just answered, or refused.
const Began Event = "began"

// record is a flow as it is reported, by what the capture has; its client's greeting may be nil.
func (f *flow) record(s *scope, g *traffic.Greeting) Flow {
	client, server := f.client(), f.server()
	out := Flow{
		Peer:     Peer{Client: address(client.addr), ClientPort: client.port},
		Endpoint: probe.Endpoint{Addr: address(server.addr), Port: server.port, Proto: f.key.proto},
		Tries:    int(f.asks), First: moment(f.first), Last: moment(f.last()),
		RTT: probe.Millis(f.rtt), ClientRTT: probe.Millis(f.clientRTT),
		Sent: f.half[sent].volume(), Received: f.half[received].volume(), End: f.end(),
		Greeting: g,
	}
	out.State, out.Reason = s.state(f.cell, f.key.proto, f.asked)
	if f.is(midway|halfSeen) && out.State == probe.Open && f.answered == 0 {
		out.Reason = probe.NoReason // it was not seen
	}
	return out
}

func (d *direction) volume() traffic.Volume {
	return traffic.Volume{Packets: uint64(d.packets), Bytes: d.bytes, Repeated: uint64(d.repeated)}
}

func (f *flow) end() End {
	client, server := &f.half[sent], &f.half[received]
	switch {
	case f.key.proto != probe.TCP || f.cell.Class() != verdict.SynAck:
		return ""
	case server.is(reset):
		return ResetByEnd
	case client.is(reset):
		return ResetByClient
	case client.is(finished) && server.is(finished):
		return Closed
	}
	return ""
}

// moment is a time of packets.
func moment(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}
