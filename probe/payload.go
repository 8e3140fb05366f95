package probe

// Payload is the datagram that asks a UDP port: a harmless question in the
// language of the service registered there, since most services ignore a
// datagram that they cannot read; nil, an empty datagram, for all other ports.
// No question changes anything at the peer, and none is of the kind that
// amplifiers are known for. The caller must not change the bytes.
func Payload(port uint16) []byte { return payloads[port] }

// payloads are written from the RFC or the registry named beside each.
var payloads = map[uint16][]byte{
	// RFC 1035, section 4.1: who serves the root? NS, class IN, no recursion wanted.
	53: []byte("\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01"),

	// RFC 5531 with RFC 1833, section 3: call of procedure 0 (NULL) of program
	// 100000 version 2, no credentials.
	111: []byte("\x00\x00\x04\x17\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa0\x00\x00\x00\x02\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),

	// RFC 5905, section 7.3: version 4, mode 3 (client), nothing else told.
	123: append([]byte{0x23}, make([]byte, 47)...),

	// RFC 1002, section 4.2.17: node status of the name "*".
	137: []byte("\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x00\x00\x21\x00\x01"),

	// RFC 1157, section 4.1: version 1, community "public", get sysDescr.0.
	161: []byte("\x30\x26\x02\x01\x00\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00" +
		"\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00"),

	// RFC 4511 over UDP (RFC 1798; Microsoft MS-ADTS 6.3.3): search the root DSE,
	// base scope, (objectClass=*), no attributes.
	389: []byte("\x30\x2a\x02\x01\x01\x63\x25\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00" +
		"\x87\x0bobjectClass\x30\x05\x04\x031.1"),

	// RFC 8489, section 5: Binding request, magic cookie, a transaction.
	3478: []byte("\x00\x01\x00\x00\x21\x12\xa4\x42onmux-417417"),

	// RFC 3261, section 11: what can you do? The reply goes to where we ask from (RFC 3581).
	5060: []byte("OPTIONS sip:onmux@invalid SIP/2.0\r\nVia: SIP/2.0/UDP invalid;branch=z9hG4bK-onmux;rport\r\n" +
		"Max-Forwards: 70\r\nFrom: <sip:onmux@invalid>;tag=onmux\r\nTo: <sip:onmux@invalid>\r\n" +
		"Call-ID: onmux\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"),

	// RFC 6762, section 6.7 and RFC 6763, section 9: which service types? Answered
	// by unicast, since the question does not come from port 5353.
	5353: []byte("\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09_services\x07_dns-sd\x04_udp\x05local\x00\x00\x0c\x00\x01"),

	// RFC 7252, section 4.3: an empty confirmable message, a ping, answered by a
	// reset of four bytes.
	5683: []byte("\x40\x00\x04\x17"),
}
