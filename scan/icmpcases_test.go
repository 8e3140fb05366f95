package scan_test

import (
	"net/netip"

	"onmux/probe"
	"onmux/scan/simnet"
)

// icmpCases are the errors of routers, RFC 792, RFC 1122 section 3.2.2.1, RFC
// 1812 section 5.2.7.1 and RFC 4443 section 3, and the messages that are none.
func icmpCases() (all []hostCase) {
	for _, m := range []struct {
		name       string
		family     int
		kind, code byte
		r          probe.Reason
	}{
		{"net", 4, 3, 0, probe.NetUnreach}, {"host", 4, 3, 1, probe.HostUnreach}, {"proto", 4, 3, 2, probe.ProtoUnreach},
		{"port", 4, 3, 3, probe.PortUnreach}, {"net unknown", 4, 3, 6, probe.NetUnreach}, {"host unknown", 4, 3, 7,
			probe.HostUnreach},
		{"source isolated", 4, 3, 8, probe.HostUnreach}, {"net prohibited", 4, 3, 9, probe.NetProhibited},
		{"host prohibited", 4, 3, 10, probe.HostProhibited}, {"net for this service", 4, 3, 11, probe.NetUnreach},
		{"host for this service", 4, 3, 12, probe.HostUnreach}, {"admin", 4, 3, 13, probe.AdminProhibited},
		{"precedence", 4, 3, 14, probe.AdminProhibited}, {"precedence cutoff", 4, 3, 15,
			probe.AdminProhibited}, {"no such code", 4, 3, 16, none},
		{"time exceeded", 4, 11, 0, probe.TimeExceeded}, {"reassembly", 4, 11, 1, none}, {"source quench", 4, 4, 0, none},
		{"parameter", 4, 12, 0, none}, {"missing option", 4, 12, 1, none}, {"redirect", 4, 5, 0, none}, {"redirect host", 4,
			5, 1, none},
		{"redirect net and service", 4, 5, 2, none}, {"redirect host and service", 4, 5, 3, none}, {"echo reply", 4, 0, 0,
			none}, {"echo", 4, 8, 0, none},
		{"timestamp reply", 4, 14, 0, none}, {"mask reply", 4, 18, 0, none}, {"no such type", 4, 255, 0, none},
		{"no route", 6, 1, 0, probe.NetUnreach}, {"admin", 6, 1, 1, probe.AdminProhibited}, {"scope", 6, 1, 2,
			probe.NetUnreach},
		{"address", 6, 1, 3, probe.HostUnreach}, {"port", 6, 1, 4, probe.PortUnreach}, {"policy", 6, 1, 5,
			probe.AdminProhibited},
		{"reject", 6, 1, 6, probe.NetProhibited}, {"source routing", 6, 1, 7, none}, {"time exceeded", 6, 3, 0,
			probe.TimeExceeded},
		{"too big for nothing", 6, 2, 0, none}, {"header field", 6, 4, 0, none}, {"next header", 6, 4, 1, none}, {"option",
			6, 4, 2, none},
		{"echo reply", 6, 129, 0, none}, {"no such error", 6, 99, 0, none}, {"no such message", 6, 200, 0, none},
	} {
		all = append(
			all,
			hostCase{name: "router: " + m.name, family: m.family, respond: always(routed(m.kind, m.code)), tcp: m.r, udp: m.r},
		)
	}
	return append(all, append(ndpCases(), []hostCase{
		{name: "router: source route", family: 4, respond: always(routed(3, 5)), tcp: none, udp: none},
		{name: "router: too big", family: 4, respond: always(tooBig(3, 4, 1400)), tcp: none, udp: none},
		{name: "router: too big", family: 6, respond: always(tooBig(2, 0, 1400)), tcp: none, udp: none},
		// Linux gives a connection up for every time exceeded of ICMPv6, with
		// EHOSTUNREACH.
		{
			name:      "router: reassembly",
			family:    6,
			respond:   always(routed(3, 1)),
			tcp:       none,
			udp:       none,
			socketTCP: probe.HostUnreach,
		},
	}...)...)
}

// tooBig has the router ask for smaller packets, RFC 1191 and RFC 8201.
func tooBig(kind, code byte, mtu uint32) func(simnet.Query) []byte {
	return func(q simnet.Query) []byte { return q.Message(gateway(q), kind, code, mtu, q.Packet) }
}

// ndpCases are the messages of neighbor discovery, RFC 4861 section 4, to
// a station that asked for none of them.
func ndpCases() (all []hostCase) {
	for _, m := range []struct {
		name string
		kind byte
		word uint32
		body func(simnet.Query) []byte
	}{
		{"router advertisement", 134, 0, func(simnet.Query) []byte { return make([]byte, 8) }},
		{"neighbor solicitation", 135, 0, func(q simnet.Query) []byte { return q.From.Addr().AsSlice() }},
		{"neighbor advertisement", 136, 0x6000_0000, func(q simnet.Query) []byte {
			return append(q.To.Addr().AsSlice(), 2,
				1, 2, 0, 0, 4, 1, 7)
		}},
		{"redirect", 137, 0, redirect},
	} {
		all = append(
			all,
			hostCase{name: m.name, family: 6, tcp: none, udp: none, respond: always(func(q simnet.Query) []byte {
				b := q.Message(netip.MustParseAddr("fe80::417"), m.kind, 0, m.word, m.body(q))
				b[7] = 255 // the hop limit proves that it comes from the link
				return b
			})},
		)
	}
	return all
}

// redirect is the body of a better next hop, RFC 4861 section 4.5, with the
// question as an option.
func redirect(q simnet.Query) []byte {
	b := append(gateway(q).AsSlice(), q.To.Addr().AsSlice()...)
	pad := (8 - len(q.Packet)%8) % 8
	b = append(b, 4, byte((8+len(q.Packet)+pad)/8), 0, 0, 0, 0, 0, 0)
	return append(append(b, q.Packet...), make([]byte, pad)...)
}
