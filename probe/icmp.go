package probe

import "fmt"

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

// Describe is "ICMP 3/13 (administratively prohibited)"; v4 is whether it is not ICMPv6.
func (m ICMP) Describe(v4 bool) string {
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
