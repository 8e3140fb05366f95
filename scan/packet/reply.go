package packet

import (
	"net/netip"
	"slices"

	"onmux/probe"
)

// Kind is the kind of packet of a Reply. The zero value is none.
type Kind uint8

// The kinds of replies.
const (
	KindTCP      Kind = iota + 1 // SYN-ACK or RST
	KindUDP                      // a datagram
	KindICMP                     // an ICMP or ICMPv6 error that quotes a probe
	KindNeighbor                 // an ARP reply or an NDP advertisement; carries no cookie
)

// Validity is whether a received frame answers a probe.
type Validity uint8

// The validities. A caller that does not count needs only Valid.
const (
	Foreign Validity = iota // not for this scan, malformed, or an ICMP error that decides nothing
	Forged                  // to one of our ports, or quoting a probe, but without its cookie: stale, stray or forged
	Valid                   // an answer
)

// Options are the TCP options of an answer that distinguish a stack from a middlebox,
// as a set.
type Options uint8

// The options of RFC 9293, 7323 and 2018.
const (
	OptMSS Options = 1 << iota
	OptWindowScale
	OptSACK
	OptTimestamps
)

// TCP flags of Reply.Flags, RFC 9293 section 3.1.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// TCP has the fields of a TCP segment that distinguish stacks.
type TCP struct {
	Flags   uint8
	Window  uint16
	Options Options
	MSS     uint16
	Echo    uint32 // the clock that Put was given, if Options has OptTimestamps; else 0
}

// Reply is one decoded frame. Which fields are set depends on the Kind.
type Reply struct {
	Kind     Kind
	Endpoint probe.Endpoint // the endpoint that was asked; TCP, UDP, ICMP
	Try      int            // which try it answers, 1 …
	From     netip.Addr     // the sender; Neighbor: the address whose MAC this is
	FromPort uint16         // UDP: as Endpoint.Port, or the port that a server moved to (TFTP does)
	Src      netip.Addr     // our address
	SrcPort  uint16         // our port
	State    probe.State    // of Endpoint, by this reply
	Reason   probe.Reason
	TTL      uint8 // or hop limit, as it arrived
	Sure     bool  // it carries at least 16 bits of the cookie beyond the port: always so for TCP

	TCP
	ICMP    probe.ICMP
	MAC     MAC    // Ethernet: the sender's; Neighbor: From's
	Payload []byte // UDP; it aliases the frame
}

// The doubts about a SYN-ACK, which all results share, by zero window and lack of options.
var (
	zeroWindow = probe.Doubt{Kind: probe.DoubtZeroWindow}
	noOptions  = probe.Doubt{Kind: probe.DoubtNoOptions}
	doubts     = [2][2][]probe.Doubt{{nil, {noOptions}}, {{zeroWindow}, {zeroWindow, noOptions}}}
)

// Doubts are the marks of an answer that is no service. The caller must not
// change them; appending makes a copy.
func (r *Reply) Doubts() []probe.Doubt {
	if r.Reason != probe.SynAck {
		return nil
	}
	window, options := 0, 0
	if r.Window == 0 {
		window = 1
	}
	if r.Options == 0 {
		options = 1
	}
	return slices.Clip(doubts[window][options])
}

// Result is what a reply means: Reason, ICMP, TTL, Responder where that is not
// the target, Doubts, and Confidence, which is high for an answer of the target
// itself that has no marks. State is set too; Endpoint, RTT and Tries are left to
// the caller. It does not allocate.
func (r *Reply) Result() probe.Result {
	res := probe.Result{
		State: r.State, Reason: r.Reason, TTL: r.TTL, ICMP: r.ICMP, Doubts: r.Doubts(), Confidence: probe.High,
	}
	if r.From != r.Endpoint.Addr {
		res.Responder, res.Confidence = r.From, probe.Medium
	}
	if len(res.Doubts) > 0 {
		res.Confidence = probe.Medium
	}
	return res
}
