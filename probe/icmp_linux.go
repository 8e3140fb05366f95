package probe

import (
	"fmt"
	"net/netip"
	"time"
)

// judgeICMP is the Result of an ICMP error m that from sent d after the probe.
func judgeICMP(e Endpoint, from netip.Addr, self bool, m ICMP, d time.Duration, o Options) Result {
	_, reason := FromICMP(e, from, self, m)
	if reason == LocalError {
		return rejected(e, m)
	}
	fromTarget := SameHost(from, e.Addr)
	r := judged(e, reason, fromTarget, d)
	r.ICMP = m
	sender := ", the target itself"
	switch {
	case reason == NoNeighbor:
		r.Confidence, sender = High, ", this machine: no neighbor answered for the address"
	case self && !fromTarget:
		r.Responder, sender = from, ", this machine itself"
	case !fromTarget:
		r.Responder, sender = from, ""
	}
	if o.Evidence {
		r.Evidence = append(r.Evidence, fmt.Sprintf("%s%s, after %s", m.describeFrom(e, from), sender, short(d)))
	}
	return r
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

// describeFrom is "ICMP 3/13 (administratively prohibited) from 10.1.0.1", about e.
func (m ICMP) describeFrom(e Endpoint, from netip.Addr) string {
	address := "an unknown sender"
	if from.IsValid() {
		address = from.String()
	}
	return m.describe(e.Addr.Unmap().Is4()) + " from " + address
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
