package probe

import "net/netip"

// IsAnswer reports whether the reason is that something on the network answered: only that has
// a round-trip time.
func (r Reason) IsAnswer() bool {
	return r != NoReason && r != NoResponse && r != NoNeighbor && r != LocalError
}

// Verdict is the state that follows from a reason. fromTarget is whether the answer came
// from the endpoint's own address; it matters only for a UDP port unreachable, which means
// closed from the target and a filter from anyone else. A reason that the protocol cannot have is Unknown.
func Verdict(p Proto, r Reason, fromTarget bool) State {
	switch r {
	case NetUnreach, HostUnreach, ProtoUnreach, TimeExceeded, NoNeighbor:
		return Unreachable
	case AdminProhibited, HostProhibited, NetProhibited:
		return Filtered
	}
	switch {
	case p == TCP && r == SynAck, p == UDP && r == UDPResponse:
		return Open
	case p == TCP && r == Reset, p == UDP && r == PortUnreach && fromTarget:
		return Closed
	case p == TCP && r == NoResponse, r == PortUnreach:
		return Filtered
	case p == UDP && r == NoResponse:
		return OpenFiltered
	}
	return Unknown
}

// FromICMP judges the ICMP error m that from sent about a probe of e; the
// address family of e separates ICMP from ICMPv6. self is whether from is an address
// of this machine: with a host-unreachable of our own about another host the kernel
// reports that no neighbor answered, and any other is a firewall's of this machine. An
// error that does not concern the endpoint (fragmentation needed, packet too big, source
// quench, parameter problem, reassembly time exceeded, …) is Unknown and NoReason.
//
// The codes are those of RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section
// 5.2.7.1 and RFC 4443 section 3.
func FromICMP(e Endpoint, from netip.Addr, self bool, m ICMP) (State, Reason) {
	r := reason6(m)
	if e.Addr.Unmap().Is4() {
		r = reason4(m)
	}
	fromTarget := SameHost(from, e.Addr)
	if self && !fromTarget {
		switch r {
		case NoReason, TimeExceeded:
		case HostUnreach:
			r = NoNeighbor
		default:
			r = LocalError
		}
	}
	return Verdict(e.Proto, r, fromTarget), r
}

func reason4(m ICMP) Reason {
	if m == (ICMP{11, 0}) {
		return TimeExceeded
	}
	if m.Type != 3 {
		return NoReason
	}
	switch m.Code {
	case 0, 6, 11:
		return NetUnreach
	case 1, 7, 8, 12:
		return HostUnreach
	case 2:
		return ProtoUnreach
	case 3:
		return PortUnreach
	case 9:
		return NetProhibited
	case 10:
		return HostProhibited
	case 13, 14, 15: // 14 and 15: a router's precedence policy
		return AdminProhibited
	}
	return NoReason
}

func reason6(m ICMP) Reason {
	if m == (ICMP{3, 0}) {
		return TimeExceeded
	}
	if m.Type != 1 {
		return NoReason
	}
	switch m.Code {
	case 0, 2:
		return NetUnreach
	case 1, 5:
		return AdminProhibited
	case 3:
		return HostUnreach
	case 4:
		return PortUnreach
	case 6:
		return NetProhibited
	}
	return NoReason
}

// SameHost compares addresses as the network sees them: without the zone, and
// with IPv4 unwrapped from IPv6.
func SameHost(a, b netip.Addr) bool {
	return a.IsValid() && a.Unmap().WithZone("") == b.Unmap().WithZone("")
}

// DoubtKind is why a verdict proves less than it seems to.
type DoubtKind string

const (
	// DoubtHostLimits: the host limits its ICMP errors, so that its silence over UDP
	// decides nothing.
	DoubtHostLimits DoubtKind = "host-limits-icmp"

	// DoubtNetworkLimits: ICMP errors from its network are limited or lost, so that its
	// silence over UDP decides nothing.
	DoubtNetworkLimits DoubtKind = "network-limits-icmp"

	// DoubtRefusalLimited: the same over TCP, so that it may be unreachable or refused
	// rather than filtered.
	DoubtRefusalLimited DoubtKind = "refusal-limited"

	// DoubtResetFollowed: a reset followed its SYN-ACK at once.
	DoubtResetFollowed DoubtKind = "reset-followed"

	// DoubtNotVerified: whether it is a service could not be found out, because of Error.
	DoubtNotVerified DoubtKind = "not-verified"

	// DoubtEverywhere: its host answers on every port; DoubtOthersOpen: on some others
	// that were taken at random. Openness has the counts.
	DoubtEverywhere DoubtKind = "open-everywhere"
	DoubtOthersOpen DoubtKind = "others-open"

	// DoubtNoOptions: its SYN-ACK has no TCP option.
	DoubtNoOptions DoubtKind = "no-tcp-options"

	// DoubtHostDown: another program found its host down, and did not ask its ports.
	DoubtHostDown DoubtKind = "host-down"

	// DoubtNotCaptured: its answer is not in the capture, but the client went on after it;
	// DoubtBeganBefore: its connections began before the capture.
	DoubtNotCaptured DoubtKind = "answer-not-captured"
	DoubtBeganBefore DoubtKind = "began-before"

	// DoubtContradicted: its answers to several clients, or at several times, make different states.
	DoubtContradicted DoubtKind = "contradicted"

	// The others have the name of the Behavior that they are about. The first attempt may
	// show these two already.
	DoubtZeroWindow   = DoubtKind(ZeroWindow)
	DoubtResetsAtOnce = DoubtKind(ResetsAtOnce)
)

// Doubt is a reason to doubt a verdict, as data. Notes has the same as sentences.
type Doubt struct {
	Kind  DoubtKind `json:"kind"`
	Error string    `json:"error,omitempty"`
}
