package probe

import (
	"fmt"
	"net/netip"
)

// Verdict is the state that a reason makes. fromTarget says that the answer
// came from the endpoint's own address; it matters only for a UDP port
// unreachable, which is the target's word from the target and a filter's from
// anyone else. A reason that the protocol cannot have is Unknown.
func Verdict(p Proto, r Reason, fromTarget bool) State {
	switch r {
	case NetUnreach, HostUnreach, ProtoUnreach, TimeExceeded, NoNeighbour:
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
// address family of e tells ICMP from ICMPv6. self says that from is an address
// of this machine: a host-unreachable of our own about somebody else is the
// kernel's way to say that no neighbour answered. An error that says nothing of
// the endpoint (fragmentation needed, packet too big, source quench, parameter
// problem, reassembly time exceeded, …) is Unknown and NoReason.
//
// The codes are those of RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section
// 5.2.7.1 and RFC 4443 section 3.
func FromICMP(e Endpoint, from netip.Addr, self bool, m ICMP) (State, Reason) {
	r := reason6(m)
	if e.Addr.Unmap().Is4() {
		r = reason4(m)
	}
	fromTarget := sameHost(from, e.Addr)
	if r == HostUnreach && self && !fromTarget {
		r = NoNeighbour
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

// sameHost compares addresses as the network sees them: without the zone, and
// with IPv4 unwrapped from IPv6.
func sameHost(a, b netip.Addr) bool {
	return a.IsValid() && a.Unmap().WithZone("") == b.Unmap().WithZone("")
}

var icmp4Names = [...]string{
	"network unreachable", "host unreachable", "protocol unreachable", "port unreachable",
	"fragmentation needed", "source route failed", "network unknown", "host unknown", "host isolated",
	"network prohibited", "host prohibited", "network unreachable for this type of service",
	"host unreachable for this type of service", "administratively prohibited",
	"precedence violation", "precedence cutoff",
}

var icmp6Names = [...]string{
	"no route", "administratively prohibited", "beyond scope of source address",
	"address unreachable", "port unreachable", "source address failed policy", "reject route",
	"error in source routing header", "headers too long",
}

// tell is "ICMP 3/13 (administratively prohibited) from 10.1.0.1", about e.
func (m ICMP) tell(e Endpoint, from netip.Addr) string {
	sender := "an unknown sender"
	if from.IsValid() {
		sender = from.String()
	}
	return m.describe(e.Addr.Unmap().Is4()) + " from " + sender
}

// describe is "ICMP 3/13 (administratively prohibited)".
func (m ICMP) describe(v4 bool) string {
	family, unreachable, exceeded, names := "ICMPv6", uint8(1), uint8(3), icmp6Names[:]
	if v4 {
		family, unreachable, exceeded, names = "ICMP", 3, 11, icmp4Names[:]
	}
	s := fmt.Sprintf("%s %d/%d", family, m.Type, m.Code)
	switch {
	case m.Type == unreachable && int(m.Code) < len(names):
		return s + " (" + names[m.Code] + ")"
	case m.Type == exceeded && m.Code == 0:
		return s + " (time exceeded in transit)"
	case m.Type == exceeded && m.Code == 1:
		return s + " (reassembly time exceeded)"
	}
	return s
}
