package packet

import (
	"net/netip"

	"onmux/probe"
)

// Kind is what sort of packet a Reply was. The zero value is none.
type Kind uint8

// The kinds of replies.
const (
	KindTCP       Kind = iota + 1 // SYN-ACK or RST
	KindUDP                       // a datagram
	KindICMP                      // an ICMP or ICMPv6 error that quotes a probe
	KindNeighbour                 // an ARP reply or an NDP advertisement; carries no cookie
)

// Fate is what became of a received frame.
type Fate uint8

// The fates. A caller that does not count needs only Valid.
const (
	Foreign Fate = iota // no business of ours, malformed, or an ICMP error that decides nothing
	Forged              // to one of our ports, or quoting a probe, but without its cookie: stale, stray or a lie
	Valid               // an answer
)

// Options are the TCP options of an answer that tell a stack from a middlebox,
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

// Reply is what one frame says. Which fields count depends on the Kind.
type Reply struct {
	Kind     Kind
	Endpoint probe.Endpoint // the endpoint that was asked; TCP, UDP, ICMP
	Try      int            // which try it answers, 1 …
	From     netip.Addr     // who says so; Neighbour: the address whose MAC this is
	FromPort uint16         // UDP: as Endpoint.Port, or the port that a server moved to (TFTP does)
	Src      netip.Addr     // our address
	SrcPort  uint16         // our port
	State    probe.State    // what it makes of Endpoint
	Reason   probe.Reason
	TTL      uint8 // or hop limit, as it arrived
	Sure     bool  // it carries 16 bits of the cookie or more, beyond the port: always so for TCP

	Flags   uint8 // TCP
	Window  uint16
	Options Options
	MSS     uint16
	Echo    uint32 // TCP: the clock that Put was given, if Options has OptTimestamps; else 0

	ICMP    probe.ICMP
	MAC     MAC    // Ethernet: the sender's; Neighbour: From's
	Payload []byte // UDP: what was said; it aliases the frame
}

// Decoder reads replies. It is read-only, and may be shared by goroutines.
type Decoder struct {
	Framing   Framing
	Cookies   *Cookies
	Checksums bool     // demand true checksums; not on veth and lo, where the kernel leaves them to a device that is none
	Zone      string   // given to link-local addresses, so that they compare equal to those asked; "" for none
	Moves     []uint16 // UDP ports asked whose servers may answer from another port, at most a few: 69
}

// Decode reads one received frame into r, and returns Valid if it answers a
// probe (KindTCP, KindUDP or KindICMP) or is a neighbour's word (KindNeighbour; the
// caller must know that it asked). Otherwise r is of no use. The frame may be cut
// short after the headers. It does not allocate, and does not keep the frame but
// for r.Payload.
func (d *Decoder) Decode(frame []byte, r *Reply) Fate { return Foreign }

// Result is what a reply tells the sweep: Reason, ICMP, TTL, Responder where that
// is not the target, and Notes and a lower Confidence where the answer bears
// marks of something that is no service. Endpoint, State, RTT and Tries are left
// to the caller. It does not allocate.
func (r *Reply) Result() probe.Result { return probe.Result{} }
