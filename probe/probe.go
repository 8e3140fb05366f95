package probe

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"onmux/probe/traffic"
)

// Onmux is the port that IANA assigned to "Onmux" (RFC 1700, page 32).
const Onmux = 417

// Proto is a transport protocol. The zero value is none.
type Proto uint8

// The transport protocols that onmux knows.
const (
	TCP Proto = iota + 1
	UDP
)

var protoNames = [...]string{TCP: "tcp", UDP: "udp"}

// Protos lists the transport protocols in the order of reports.
func Protos() []Proto { return []Proto{TCP, UDP} }

func (p Proto) String() string { return name(protoNames[:], uint8(p)) }

// MarshalText writes "tcp" or "udp".
func (p Proto) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads "tcp" or "udp".
func (p *Proto) UnmarshalText(b []byte) error {
	return parseName(protoNames[:], b, "protocol", (*uint8)(p))
}

// Port is a port of one transport protocol.
type Port struct {
	Number uint16
	Proto  Proto
}

func (p Port) String() string { return strconv.Itoa(int(p.Number)) + "/" + p.Proto.String() }

// Endpoint is what a probe is sent to.
type Endpoint struct {
	Addr  netip.Addr `json:"address,omitzero"` // none of a name that has no address
	Port  uint16     `json:"port"`
	Proto Proto      `json:"proto"`
}

// AddrPort is the endpoint without its protocol.
func (e Endpoint) AddrPort() netip.AddrPort { return netip.AddrPortFrom(e.Addr, e.Port) }

// String is "192.0.2.1:417/tcp" or "[2001:db8::1]:417/udp".
func (e Endpoint) String() string { return e.AddrPort().String() + "/" + e.Proto.String() }

// State is the verdict on an endpoint, by nmap's names. The zero value is
// Unknown: could not measure.
type State uint8

// The states of an endpoint.
const (
	Unknown      State = iota // could not measure; the Result carries an Error
	Open                      // something accepted the connection, or answered the datagram
	Closed                    // the target itself refused
	Filtered                  // silence (TCP), or a refusal that names a filter
	OpenFiltered              // UDP silence: an open port may be silent too
	Unreachable               // a router or this machine reports that the host or its network cannot be reached

	StateCount = iota // how many states there are
)

var stateNames = [...]string{
	Unknown: "unknown", Open: "open", Closed: "closed", Filtered: "filtered",
	OpenFiltered: "open|filtered", Unreachable: "unreachable",
}

// States lists every state in the order of reports.
func States() []State {
	return []State{Open, Closed, Filtered, OpenFiltered, Unreachable, Unknown}
}

func (s State) String() string { return name(stateNames[:], uint8(s)) }

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the state's name.
func (s *State) UnmarshalText(b []byte) error {
	return parseName(stateNames[:], b, "state", (*uint8)(s))
}

// Reason is what decided the verdict, by nmap's names and two of our own (no-neighbour,
// local-error). The zero value is none: not probed yet.
type Reason uint8

// The reasons.
const (
	NoReason        Reason = iota
	NoResponse             // nothing came back
	SynAck                 // the TCP handshake was accepted
	Reset                  // a RST answered the SYN
	UDPResponse            // a datagram came back
	PortUnreach            // ICMP 3/3, ICMPv6 1/4
	HostUnreach            // ICMP 3/1, ICMPv6 1/3
	NetUnreach             // ICMP 3/0, ICMPv6 1/0
	ProtoUnreach           // ICMP 3/2
	AdminProhibited        // ICMP 3/13, ICMPv6 1/1 and 1/5
	HostProhibited         // ICMP 3/10
	NetProhibited          // ICMP 3/9, ICMPv6 1/6
	TimeExceeded           // ICMP 11, ICMPv6 3
	NoNeighbor             // on-link, and no neighbor answered ARP or NDP
	LocalError             // this machine could not send or receive
)

var reasonNames = [...]string{
	NoReason: "", NoResponse: "no-response", SynAck: "syn-ack", Reset: "reset",
	UDPResponse: "udp-response", PortUnreach: "port-unreach", HostUnreach: "host-unreach",
	NetUnreach: "net-unreach", ProtoUnreach: "proto-unreach",
	AdminProhibited: "admin-prohibited", HostProhibited: "host-prohibited",
	NetProhibited: "net-prohibited", TimeExceeded: "time-exceeded",
	NoNeighbor: "no-neighbour", LocalError: "local-error",
}

func (r Reason) String() string { return name(reasonNames[:], uint8(r)) }

// MarshalText writes the reason's name.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the reason's name.
func (r *Reason) UnmarshalText(b []byte) error {
	return parseName(reasonNames[:], b, "reason", (*uint8)(r))
}

// Millis is a duration that documents carry as a number of milliseconds.
type Millis time.Duration

// MarshalJSON writes milliseconds with microsecond resolution.
func (m Millis) MarshalJSON() ([]byte, error) {
	ms := float64(time.Duration(m).Round(time.Microsecond)) / float64(time.Millisecond)
	return strconv.AppendFloat(nil, ms, 'f', -1, 64), nil
}

// IsZero reports whether it is written as 0: fields that leave 0 out are the same after
// a replay.
func (m Millis) IsZero() bool { return time.Duration(m).Round(time.Microsecond) == 0 }

// UnmarshalJSON reads a number of milliseconds.
func (m *Millis) UnmarshalJSON(b []byte) error {
	ms, err := strconv.ParseFloat(string(b), 64)
	if err != nil || ms < 0 || ms > float64(1<<53) {
		return fmt.Errorf("%q is not a number of milliseconds", b)
	}
	*m = Millis(math.Round(ms * float64(time.Millisecond)))
	return nil
}

// ICMP is the type and code of an ICMP (RFC 792) or ICMPv6 (RFC 4443) error;
// the address family of the endpoint decides which. The zero value is none: type
// 0 is no error in either.
type ICMP struct {
	Type uint8 `json:"type"`
	Code uint8 `json:"code"`
}

// Confidence is how far a finding can be relied on.
type Confidence string

// The degrees of confidence.
const (
	High   Confidence = "high"
	Medium Confidence = "medium"
	Low    Confidence = "low"
)

// Result is the verdict on one endpoint, and at the same time the record of
// type "endpoint" in documents. What is not known is zero and left out.
type Result struct {
	Endpoint
	Origin
	State      State      `json:"state"`
	Reason     Reason     `json:"reason,omitzero"`
	RTT        Millis     `json:"rtt_ms,omitzero"`
	Tries      int        `json:"tries,omitzero"`     // attempts made
	TTL        uint8      `json:"ttl,omitzero"`       // of the answer, as it arrived
	Responder  netip.Addr `json:"responder,omitzero"` // the sender of the answer, if not the target itself
	ICMP       ICMP       `json:"icmp,omitzero"`
	Confidence Confidence `json:"confidence,omitempty"`
	Doubts     []Doubt    `json:"doubts,omitempty"`
	Notes      []string   `json:"notes,omitempty"`
	Details
	Evidence []string `json:"evidence,omitempty"` // sentences, the strongest first
	Error    string   `json:"error,omitempty"`    // why the state is Unknown
}

// Origin is where the address of an endpoint comes from.
type Origin struct {
	Host   string     `json:"host,omitempty"`   // the name as given, if it was one
	Hosts  []string   `json:"hosts,omitempty"`  // all names that lead to the address, Host first, if they are several
	Lookup *Lookup    `json:"lookup,omitempty"` // of Host
	NAT64  netip.Addr `json:"nat64,omitzero"`   // the IPv4 address that the address stands for
}

// OriginOf is the origin of an address to which some names lead.
func OriginOf(hosts []string) Origin {
	switch len(hosts) {
	case 0:
		return Origin{}
	case 1:
		return Origin{Host: hosts[0]}
	}
	return Origin{Host: hosts[0], Hosts: hosts}
}

// Names are all names that lead to the address.
func (o Origin) Names() []string {
	if o.Hosts == nil && o.Host != "" {
		return []string{o.Host}
	}
	return o.Hosts
}

// AddHost adds another name that leads to the address.
func (o *Origin) AddHost(name string) {
	switch {
	case name == "" || name == o.Host || slices.Contains(o.Hosts, name):
	case o.Host == "":
		o.Host = name
	case o.Hosts == nil:
		o.Hosts = []string{o.Host, name}
	default:
		o.Hosts = append(o.Hosts, name)
	}
}

// Details are what is found out about an endpoint beyond its state.
type Details struct {
	Service   *Service        `json:"service,omitempty"`
	Exchanges []Exchange      `json:"exchanges,omitempty"` // by which Service was identified, or was not
	Withdrawn *Withdrawal     `json:"withdrawn,omitempty"` // if it stopped answering meanwhile
	Attempts  *Attempts       `json:"attempts,omitempty"`  // if there were several
	Route     *Route          `json:"route,omitempty"`
	Zone      string          `json:"zone,omitempty"`      // from where it was asked, in a scan from several zones
	MAC       string          `json:"mac,omitempty"`       // hardware address of a target on the same link
	Handshake *Handshake      `json:"handshake,omitempty"` // of an accepted connection
	Openness  *Openness       `json:"openness,omitempty"`  // if it was verified
	Path      []Hop           `json:"path,omitempty"`
	Facts     []Fact          `json:"-"`                 // of which a report makes Evidence and Notes
	FarEnd    *FarEnd         `json:"far_end,omitempty"` // if one was asked for
	Traffic   *traffic.Totals `json:"traffic,omitempty"` // in a capture
}

// FromTarget reports whether the target itself has answered.
func (r *Result) FromTarget() bool {
	return r.Reason.IsAnswer() && (!r.Responder.IsValid() || r.Responder == r.Addr)
}

// Kind names the record's type in documents.
func (Result) Kind() string { return "endpoint" }

// Options bound one attempt.
type Options struct {
	Timeout time.Duration // how long to wait for an answer; must be > 0
	// collect Facts, Route and Handshake, and find out whether silence is that of a missing neighbor; costs system
	// calls
	Evidence bool
	// the same of silence alone; where this machine has no room for another neighbor it is ErrBusy
	Neighbor bool
	Try      int  // UDP: which of the port's request.Payloads is sent, in turn; 0 and 1: the first
	Resend   bool // UDP: send once more at half of Timeout if still silent; it remains one try
	HopLimit int  // TTL, or hop limit, of the packets; 0: the system's
	Local    Local

	// Payload is the datagram to send in place of the port's; Replied receives the first KiBs of a datagram that came
	// back. Either may be nil.
	Payload []byte
	Replied func([]byte)

	// Accepted receives an accepted TCP connection, and closes it; if it is nil, a RST ends the connection at once, so
	// that no TIME_WAIT holds a port of this machine.
	Accepted func(net.Conn)
}

// ErrBusy means that this machine is temporarily out of something: descriptors,
// ephemeral ports, buffers, memory. Nothing is known of the endpoint; the attempt is to
// be made again, later and slower.
var ErrBusy = errors.New("out of local resources")

// ErrNoRoom is an ErrBusy: the kernel's table of neighbors is full
// (net.ipv4.neigh.default.gc_thresh3), so that nothing left this machine. Linux
// reports that to no socket that connects.
var ErrNoRoom = fmt.Errorf("%w: no room for another neighbor", ErrBusy)

func name(names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return "invalid"
}

func parseName(names []string, b []byte, what string, to *uint8) error {
	for i, n := range names {
		if n != "" && n == string(b) {
			*to = uint8(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not a %s", b, what)
}

// Handshake is what this machine's kernel knows of an accepted connection.
type Handshake struct {
	RTT     Millis   `json:"rtt_ms,omitzero"`    // as the kernel measured it
	RTTVar  Millis   `json:"rttvar_ms,omitzero"` // its mean deviation
	MSS     uint32   `json:"mss,omitzero"`       // bytes of data in a segment that we send
	PathMTU uint32   `json:"path_mtu,omitzero"`  // bytes, as far as it is known
	Window  *uint32  `json:"window,omitempty"`   // bytes that the peer takes; nil: not known
	Options []string `json:"options,omitempty"`  // that both sides support: timestamps, sack, window-scale, ecn
	SYNs    int      `json:"syns,omitzero"`      // sent until one was answered
}
