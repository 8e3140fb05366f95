package service

// datagrams are the questions over UDP, each one datagram on a socket of its
// own, and each answered, if at all, by about as little as it says: none is of
// the kind that amplifiers are known for.
var datagrams = []question{
	// RFC 1035, section 4.1, and RFC 4892.
	{name: "dns", service: "dns", rarity: 1, ports: []uint16{53}, say: rootServers},
	{name: "dns-version", service: "dns", rarity: only, say: versionBind},
	// RFC 6762, section 6.7: answered by unicast, as we do not ask from port 5353.
	{name: "mdns", service: "mdns", rarity: only, ports: []uint16{5353},
		say: "\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09_services\x07_dns-sd\x04_udp\x05local\x00\x00\x0c\x00\x01"},
	// RFC 3414, section 4: who are you? Needs no name and no key.
	{name: "snmp-v3", service: "snmp", rarity: 1, ports: []uint16{161}, text: fixed(snmpDiscovery)},
	// RFC 1157, section 4.1: community "public", get sysDescr.0.
	{name: "snmp-v1", service: "snmp", rarity: only, ports: []uint16{161}, say: "\x30\x26\x02\x01\x00\x04\x06public\xa0\x19\x02\x01\x17\x02\x01\x00\x02\x01\x00" +
		"\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00"},
	// RFC 5905, section 7.3: version 4, a client; its time comes back as the origin's.
	{name: "ntp", service: "ntp", rarity: 1, ports: []uint16{123}, say: "\x23" + zeros39 + "onmux417"},
	{name: "stun", service: "stun", rarity: 3, ports: []uint16{3478, 5349, 19302}, say: stunBinding},
	{name: "sip", service: "sip", rarity: 3, ports: []uint16{5060}, say: sipOptions("UDP")},
	// RFC 7252, section 4.3: a ping.
	{name: "coap", service: "coap", rarity: 4, ports: []uint16{5683}, say: "\x40\x00\x04\x17"},
	// MS-ADTS, section 6.3.3: the root DSE, no attributes.
	{name: "cldap", service: "ldap", rarity: 4, ports: []uint16{389}, say: "\x30\x2a\x02\x01\x07\x63\x25\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00" +
		"\x87\x0bobjectClass\x30\x05\x04\x031.1"},
	// RFC 1002, section 4.2.17: node status of "*".
	{name: "netbios-ns", service: "netbios-ns", rarity: 3, ports: []uint16{137},
		say: "\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x00\x00\x21\x00\x01"},
	// UPnP Device Architecture 1.1, section 1.3.2, by unicast.
	{name: "ssdp", service: "ssdp", rarity: 4, ports: []uint16{1900},
		say: "M-SEARCH * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nMan: \"ssdp:discover\"\r\nST: upnp:rootdevice\r\nMX: 1\r\n\r\n"},
	// memcached's doc/protocol.txt, "UDP protocol": request 0x0417, one datagram.
	{name: "memcached", service: "memcached", rarity: 3, ports: []uint16{11211}, say: "\x04\x17\x00\x00\x00\x01\x00\x00version\r\n"},
	// RFC 1350, section 5: read a file that is not there.
	{name: "tftp", service: "tftp", rarity: 2, ports: []uint16{69}, say: "\x00\x01onmux-417.invalid\x00octet\x00"},
	{name: "rpcbind", service: "rpcbind", rarity: 3, ports: []uint16{111, 2049}, say: rpcNull},
	{name: "ike", service: "isakmp", rarity: 4, ports: []uint16{500}, text: fixed(ikeInit)},
	{name: "ike-nat", service: "isakmp", rarity: only, ports: []uint16{4500}, text: fixed(func() []byte { return append(make([]byte, 4), ikeInit()...) })},
	// OpenVPN's security overview, "network protocol": a hard reset, session "onmux417", nothing acknowledged, packet 0.
	{name: "openvpn", service: "openvpn", rarity: 4, ports: []uint16{1194}, say: "\x38onmux417\x00\x00\x00\x00\x00"},
	// RFC 2453, section 3.9.1: one route, not the table.
	{name: "rip", service: "rip", rarity: only, ports: []uint16{520}, say: "\x01\x02\x00\x00\x00\x02\x00\x00\xc0\x00\x02\x00\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x10"},
	// IPMI 2.0, section 13.2.3: an ASF presence ping.
	{name: "ipmi", service: "ipmi", rarity: 5, ports: []uint16{623}, say: "\x06\x00\xff\x06\x00\x00\x11\xbe\x80\x17\x00\x00"},
	// RFC 9000, sections 6 and 15: a version that forces negotiation, in a full datagram.
	{name: "quic", service: "quic", rarity: 3, ports: []uint16{443, 853, 8443}, text: fixed(quicInitial)},
	{name: "dtls", service: "dtls", rarity: 4, ports: []uint16{2221, 4433, 5349, 5684}, text: fixed(dtlsHello)},
	{name: "radius", service: "radius", rarity: only, ports: []uint16{1645, 1812, 1813, 3799}, text: fixed(radiusStatus)},
	{name: "kerberos", service: "kerberos", rarity: only, ports: []uint16{88}, text: fixed(kerberosRequest)},
}

const zeros39 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
