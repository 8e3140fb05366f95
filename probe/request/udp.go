package request

// udp has the requests over UDP. Each is one datagram, and the answer, if there is
// one, is about as long. Services that log a datagram that they cannot read are asked
// early (Rarity).
var udp = []Request{
	// RFC 1035, section 4.1, and RFC 4892.
	{Name: "dns", Service: "dns", Rarity: 1, Ports: []uint16{53}, build: rootServers},
	{Name: "dns-version", Service: "dns", Rarity: Rare, build: versionBind},
	{Name: "dns-empty", Service: "dns", Rarity: Rare, build: noQuestion},
	{Name: "mdns", Service: "mdns", Rarity: Rare, Ports: []uint16{5353}, build: serviceTypes},
	// RFC 3414, section 4: engine discovery, which needs neither user nor key.
	{Name: "snmp-v3", Service: "snmp", Rarity: 1, Ports: []uint16{161}, build: snmpDiscovery},
	// RFC 1157, section 4.1: community "public", get sysDescr.0; version 2c (RFC 1901 with 3416) differs in a byte.
	{Name: "snmp-v1", Service: "snmp", Rarity: Rare, Ports: []uint16{161}, data: "\x30\x26\x02\x01\x00" + snmpGet},
	{Name: "snmp-v2c", probesOnly: true, data: "\x30\x26\x02\x01\x01" + snmpGet},
	// RFC 5905, section 7.3: version 4, mode 3 (client); the transmit time comes back as the originate time.
	{Name: "ntp", Service: "ntp", Rarity: 1, Ports: []uint16{123}, data: "\x23" + zeros19 + zeros20 + "onmux417"},
	{Name: "ntp-v3", probesOnly: true, data: "\x1b" + zeros19 + zeros20 + "onmux417"},
	{Name: "stun", Service: "stun", Rarity: 3, Ports: []uint16{3478, 5349, 19302}, data: stunBinding},
	{Name: "sip", Service: "sip", Rarity: 3, Ports: []uint16{5060}, build: sipOverUDP},
	// RFC 7252, section 4.3: an empty confirmable message, a ping, which is answered by a reset of four bytes.
	{Name: "coap", Service: "coap", Rarity: 4, Ports: []uint16{5683}, data: "\x40\x00\x04\x17"},
	// RFC 4511 over UDP (RFC 1798; Microsoft MS-ADTS, section 6.3.3): search the root DSE, base scope,
	// (objectClass=*), no attributes.
	{Name: "cldap", Service: "ldap", Rarity: 4, Ports: []uint16{389},
		data: "\x30\x2a\x02\x01\x07\x63\x25\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00" +
			"\x87\x0bobjectClass\x30\x05\x04\x031.1"},
	{Name: "netbios-ns", Service: "netbios-ns", Rarity: 3, Ports: []uint16{137}, build: nodeStatus},
	// UPnP Device Architecture 1.1, section 1.3.2: search for root devices, by unicast: each answers once.
	{Name: "ssdp", Service: "ssdp", Rarity: 4, Ports: []uint16{1900},
		data: "M-SEARCH * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nMan: \"ssdp:discover\"\r\n" +
			"ST: upnp:rootdevice\r\nMX: 1\r\n\r\n"},
	// memcached's doc/protocol.txt, "UDP protocol": request 0x0417, datagram 0 of 1, the shortest command.
	{Name: "memcached", Service: "memcached", Rarity: 3, Ports: []uint16{11211},
		data: "\x04\x17\x00\x00\x00\x01\x00\x00version\r\n"},
	// RFC 1350, section 5: read a file that does not exist. The server answers from a new port (section 4).
	{Name: "tftp", Service: "tftp", Rarity: 2, Ports: []uint16{69}, newPort: true,
		data: "\x00\x01onmux-417.invalid\x00octet\x00"},
	{Name: "rpcbind", Service: "rpcbind", Rarity: 3, Ports: []uint16{111, 2049}, data: rpcNullPortmap},
	// RFC 1833, section 2: version 4. RFC 1813: NFS, version 3.
	{Name: "rpcbind-v4", probesOnly: true, data: rpcCall + "\x00\x01\x86\xa0\x00\x00\x00\x04" + zeros20},
	{Name: "nfs", probesOnly: true, data: rpcCall + "\x00\x01\x86\xa3\x00\x00\x00\x03" + zeros20},
	{Name: "ike", Service: "isakmp", Rarity: 4, Ports: []uint16{500}, build: ikeInit},
	// RFC 3948, section 2.2: on port 4500 four zero bytes come first.
	{Name: "ike-nat", Service: "isakmp", Rarity: Rare, Ports: []uint16{4500}, build: ikeInitOverNAT},
	// RFC 7296, sections 2.5 and 3.1: IKE_SA_INIT of a major version, 3, that does not exist yet. It is refused, and
	// leaves no half-open exchange behind.
	{Name: "ike-version", probesOnly: true, data: ikeVersion3},
	{Name: "ike-nat-version", probesOnly: true, data: "\x00\x00\x00\x00" + ikeVersion3},
	// OpenVPN's security overview, "network protocol": a hard reset, session "onmux417", nothing acknowledged, packet 0.
	{Name: "openvpn", Service: "openvpn", Rarity: 2, Ports: []uint16{1194}, data: "\x38onmux417\x00\x00\x00\x00\x00"},
	// RFC 2453, section 3.9.1: one route, not the table.
	{Name: "rip", Service: "rip", Rarity: Rare, Ports: []uint16{520},
		data: "\x01\x02\x00\x00\x00\x02\x00\x00\xc0\x00\x02\x00\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x10"},
	// DMTF DSP0136 (ASF 2.0), section 3.2.4.1, and IPMI 2.0, section 13.2.3: a presence ping.
	{Name: "ipmi", Service: "ipmi", Rarity: 5, Ports: []uint16{623},
		data: "\x06\x00\xff\x06\x00\x00\x11\xbe\x80\x17\x00\x00"},
	// IPMI 2.0, sections 13.6 and 22.13: get channel authentication capabilities.
	{Name: "ipmi-channel", probesOnly: true,
		data: "\x06\x00\xff\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09\x20\x18\xc8\x81\x00\x38\x8e\x04\xb5"},
	// RFC 9000, sections 6 and 15: a version that forces negotiation, in a datagram of full size.
	{Name: "quic", Service: "quic", Rarity: 3, Ports: []uint16{443, 853, 8443}, build: quicInitial},
	{Name: "dtls", Service: "dtls", Rarity: 4, Ports: []uint16{2221, 4433, 5349, 5684}, build: dtlsHello},
	{Name: "radius", Service: "radius", Rarity: 6, Ports: []uint16{1645, 1812, 1813, 3799}, build: radiusStatus},
	{Name: "kerberos", Service: "kerberos", Rarity: 1, Ports: []uint16{88}, build: kerberosRequest},

	// Nothing: some services answer any datagram, and none can misread an empty one.
	{Name: "empty", probesOnly: true},
	// RFC 862: echo sends it back as it is.
	{Name: "echo", probesOnly: true, data: "onmux\r\n"},
	// RFC 867 (daytime), 865 (quote of the day), 864 (character generator) and 868 (time) answer any datagram with one;
	// other services with text protocols answer an empty line.
	{Name: "text", probesOnly: true, data: "\r\n\r\n"},
	// X Display Manager Control Protocol 1.1, chapter 4: Query, without authentication names; it opens no display.
	{Name: "xdmcp", probesOnly: true, data: "\x00\x01\x00\x02\x00\x01\x00"},
	// RFC 6886, section 3.2: NAT-PMP, the external address.
	{Name: "nat-pmp", probesOnly: true, data: "\x00\x00"},
	// RFC 6887, section 14.1: PCP ANNOUNCE, which maps nothing. It names no address of ours, so an error answers.
	{Name: "pcp", probesOnly: true, data: "\x02\x00\x00" + zeros20 + "\x00"},
}

// payloadNames has the requests for the attempts at a port, by name. A registered
// port has an empty datagram alone if its service logs what it receives, or controls
// other machines by it; the table is no list of all services of udp, since a scan
// sends these to hosts that may run another service there.
var payloadNames = map[uint16][]string{
	7:     {"echo"},
	9:     {"empty"}, // discard, and wake on LAN
	13:    {"text"},
	17:    {"text"},
	19:    {"text"},
	37:    {"text"},
	53:    {"dns", "dns-version"},
	67:    {"empty"}, // DHCP
	68:    {"empty"},
	69:    {"tftp"},
	111:   {"rpcbind", "rpcbind-v4"},
	123:   {"ntp", "ntp-v3"},
	137:   {"netbios-ns"},
	161:   {"snmp-v1", "snmp-v2c", "snmp-v3"},
	162:   {"empty"}, // SNMP traps
	177:   {"xdmcp"},
	389:   {"cldap"},
	443:   {"quic"},
	500:   {"ike-version"},
	514:   {"empty"}, // syslog
	623:   {"ipmi", "ipmi-channel"},
	853:   {"quic"},
	1900:  {"ssdp"},
	2049:  {"nfs"},
	3478:  {"stun"},
	4500:  {"ike-nat-version"},
	5060:  {"sip"},
	5351:  {"nat-pmp", "pcp"},
	5353:  {"mdns"},
	5683:  {"coap"},
	11211: {"memcached"},
}

// anyPort has the requests for all other ports. It starts with what is answered most
// and ends with what is seldom moved to another port.
var anyPort = []string{
	"empty", "dns", "text", "rpcbind", "snmp-v1", "ntp", "stun", "sip", "coap", "tftp", "ike-version", "netbios-ns",
	"cldap", "snmp-v3", "memcached",
}
