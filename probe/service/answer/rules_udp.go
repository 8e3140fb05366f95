package answer

import (
	"strings"

	"onmux/probe"
)

// datagramRules are what is known of answers over UDP alone.
func datagramRules() []Rule {
	return []Rule{
		{"mdns", "mdns", "", re(`(?s)^\x04\x17\x84\x00\x00[\x00\x01]\x00.{3,5}.*\x05local\x00`), probe.High, product},
		// RFC 3412, section 6; RFC 3417: version 3, message 0x41700417, a report.
		{"snmp-v3", "snmp", "", readSNMPReport, probe.High, protocol},
		// RFC 1157, section 4.1: a GetResponse with our id.
		{"snmp-v1", "snmp", "", readSNMP, probe.High, product},
		// RFC 5905, section 7.3: a server that returns our time, or a kiss of death.
		{"ntp", "ntp", "", readNTP, probe.High, protocol},
		{"stun", "stun", "", re(`(?s)^\x01[\x01\x11]..\x21\x12\xa4\x42onmux-417417`), probe.High, protocol},
		{"stun-software", "stun", "",
			re(`(?s)^\x01[\x01\x11]..\x21\x12\xa4\x42onmux-417417.*\x80\x22\x00.(?P<product>[A-Za-z][\w. ]*?)(?:-(?P<version>` +
				`\d[\w.]*))?(?:[^\w. -]|$)`), probe.High, product},
		{"coap", "coap", "", re(`^\x70\x00\x04\x17$`), probe.High, protocol},
		{"coap-other", "coap", "", to(re(`(?s)^[\x50-\x6f][\x40-\xa5]\x04\x17`), "coap"), probe.Medium, protocol},
		{"netbios-ns", "netbios-ns", "",
			unpadded(`(?s)^\x04\x17\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00\x20CKA{30}\x00\x00\x21\x00\x01.{6}[\x01-\x40]` +
				`(?P<info>[ -~]{0,15})`), probe.High, protocol},
		{"ssdp", "ssdp", "", to(re(`(?i)^HTTP/1\.1 200 OK\r\n(?:[^\r\n]+\r\n)*(?:ST|USN|NT):`), "ssdp"), probe.High, product},
		{"ssdp-server", "ssdp", "",
			to(re(`(?i)^HTTP/1\.1 200 OK\r\n(?:[^\r\n]+\r\n)*?SERVER: ?(?:[^\r\n]*UPnP/[\d.]+,? )(?P<product>[^\r\n/]+)/`+
				`(?P<version>\d[\w.-]*)`), "ssdp"), probe.High, exact},
		{"memcached-udp", "memcached", "memcached",
			re(`(?s)^\x04\x17\x00\x00\x00\x01\x00\x00VERSION (?P<version>\d[\w.-]*)\r\n`), probe.High, product},
		{"memcached-udp-error", "memcached", "memcached",
			re(`(?s)^\x04\x17\x00\x00\x00\x01\x00\x00(?:ERROR|CLIENT_ERROR|SERVER_ERROR)`), probe.High, protocol},
		// RFC 1350, section 5: an error, code 0 to 8, with its text.
		{"tftp", "tftp", "", re(`^\x00\x05\x00[\x00-\x08][ -~]{0,200}\x00$`), probe.High, protocol},
		// RFC 7296, section 3.1; RFC 2408, section 3.1: our initiator's cookie.
		{"ike-v2", "isakmp", "", re(`(?s)^(?:\x00{4})?onmux417.{8}[\x21\x29\x2b\x00]\x20`), probe.High, protocol},
		{"ike-v1", "isakmp", "", re(`(?s)^(?:\x00{4})?onmux417.{8}.\x10`), probe.High, protocol},
		{"openvpn", "openvpn", "OpenVPN", re(`(?s)^\x40.{8}\x01\x00\x00\x00\x00onmux417\x00\x00\x00\x00`), probe.High,
			product},
		{"rip", "rip", "", re(`(?s)^\x02[\x01\x02]\x00\x00\x00\x02..\xc0\x00\x02\x00`), probe.High, protocol},
		{"ipmi", "ipmi", "", re(`(?s)^\x06\x00[\x00-\xff]\x06\x00\x00\x11\xbe\x40\x17\x00\x10`), probe.High, protocol},
		// RFC 9000, section 17.2.1: version negotiation, our connection ids swapped.
		{"quic", "quic", "", re(`(?s)^[\x80-\xff]\x00\x00\x00\x00\x08src-4170\x08onmux417`), probe.High, protocol},
		// RFC 6347, sections 4.1 and 4.2.1: HelloVerifyRequest, ServerHello or an alert.
		{"dtls", "dtls", "", re(`(?s)^(?:\x16\xfe[\xfd\xff].{8}..[\x02\x03]|\x15\xfe[\xfd\xff].{8}\x00\x02[\x01\x02])`),
			probe.High, protocol},
		// RFC 2865, section 3: Access-Accept or Accounting-Response to our identifier.
		{"radius", "radius", "", to(re(`(?s)^[\x02\x03\x05]\x17[\x00\x01].{17}`), "radius"), probe.High, protocol},
		// RFC 4120, section 5.9.1: KRB-ERROR, or any other answer of a KDC.
		{"kerberos", "kerberos", "",
			re(`(?s)^(?:\x00\x00..)?[\x7e\x6b]\x81?[\x20-\xff]\x30\x81?[\x1e-\xff]\xa0\x03\x02\x01\x05\xa1\x03\x02\x01` +
				`[\x1e\x0b]`), probe.High, protocol},
	}
}

// unpadded is re for a fact that is filled up with spaces.
func unpadded(pattern string) matcher {
	m := re(pattern)
	return func(a *Answer) (Facts, bool) {
		f, ok := m(a)
		f.Info = strings.TrimRight(f.Info, " ")
		return f, ok
	}
}
