package probe

// The questions, each written from the document that is named beside it. A
// number that the answer brings back is 0x0417 where it has two bytes.
var (
	// RFC 862: sent back as it is.
	askEcho = []byte("onmux\r\n")

	// RFC 867 (daytime), 865 (quote of the day), 864 (character generator) and
	// 868 (time) answer any datagram with one; others that speak text, an empty line.
	askText = []byte("\r\n\r\n")

	// RFC 1035, section 4.1: who serves the root? NS, class IN, no recursion wanted.
	askRoot = []byte("\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01")

	// RFC 4892, section 3, of what went before it: TXT of version.bind, class CH.
	askVersion = []byte("\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03")

	// RFC 1350, section 5: read a file that is not there; the error comes from
	// another port.
	askFile = []byte("\x00\x01onmux-417\x00octet\x00")

	// RFC 5531, section 9: calls of procedure 0, which does nothing (NULL), without
	// credentials: of program 100000 versions 2 and 4 (RFC 1833), and of program
	// 100003 version 3 (RFC 1813).
	askPortmap = rpcNull("\x00\x01\x86\xa0", "\x00\x00\x00\x02")
	askRpcbind = rpcNull("\x00\x01\x86\xa0", "\x00\x00\x00\x04")
	askNFS     = rpcNull("\x00\x01\x86\xa3", "\x00\x00\x00\x03")

	// RFC 5905, section 7.3: version 4, or 3, mode 3 (client), nothing else told.
	askTime  = append([]byte{0x23}, make([]byte, 47)...)
	askTime3 = append([]byte{0x1b}, make([]byte, 47)...)

	// RFC 1002, section 4.2.17: node status of the name "*".
	askNodeStatus = []byte("\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x00\x00\x21\x00\x01")

	// RFC 1157, section 4.1, and RFC 1901 with 3416: versions 1 and 2c, community
	// "public", get sysDescr.0.
	askSystem = []byte("\x30\x26\x02\x01\x00\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00" +
		"\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00")
	askSystem2 = []byte("\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00" +
		"\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00")

	// RFC 3412, section 6 and RFC 3414, section 4: version 3, an empty reportable
	// get without user or engine, answered by the engine's name.
	askEngine = []byte("\x30\x3a\x02\x01\x03\x30\x0f\x02\x02\x04\x17\x02\x03\x00\xff\xe3\x04\x01\x04\x02\x01\x03" +
		"\x04\x10\x30\x0e\x04\x00\x02\x01\x00\x02\x01\x00\x04\x00\x04\x00\x04\x00" +
		"\x30\x12\x04\x00\x04\x00\xa0\x0c\x02\x02\x04\x17\x02\x01\x00\x02\x01\x00\x30\x00")

	// X Display Manager Control Protocol 1.1, chapter 4: Query, without
	// authentication names; it opens no display.
	askDisplay = []byte("\x00\x01\x00\x02\x00\x01\x00")

	// RFC 4511 over UDP (RFC 1798; Microsoft MS-ADTS 6.3.3): search the root DSE,
	// base scope, (objectClass=*), no attributes.
	askRootDSE = []byte("\x30\x2a\x02\x01\x01\x63\x25\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00" +
		"\x87\x0bobjectClass\x30\x05\x04\x031.1")

	// RFC 9000, sections 6.1, 15 and 17.2: a long header of a version that nobody
	// speaks draws the list of those spoken, if the datagram has 1200 bytes.
	askQUIC = append([]byte("\xc0\x0a\x0a\x0a\x0a\x08onmux417\x08417onmux"), make([]byte, 1200-23)...)

	// RFC 7296, sections 2.5 and 3.1: IKE_SA_INIT of a major version, 3, that is not
	// yet spoken: refused without leaving a half-open exchange behind. On port 4500
	// four zero bytes go before (RFC 3948, section 2.2).
	askIKE        = []byte(ikeHeader)
	askIKEOverNAT = []byte("\x00\x00\x00\x00" + ikeHeader)

	// DMTF DSP0136 (ASF 2.0), section 3.2.4.1: presence ping; and IPMI 2.0, sections
	// 13.6 and 22.13: get channel authentication capabilities.
	askManagement = []byte("\x06\x00\xff\x06\x00\x00\x11\xbe\x80\x17\x00\x00")
	askChannel    = []byte("\x06\x00\xff\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09\x20\x18\xc8\x81\x00\x38\x8e\x04\xb5")

	// UPnP Device Architecture 1.1, section 1.3.2: search for root devices, which
	// draws one answer from each.
	askUPnP = []byte("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: upnp:rootdevice\r\n\r\n")

	// RFC 8489, section 5: Binding request, magic cookie, a transaction.
	askSTUN = []byte("\x00\x01\x00\x00\x21\x12\xa4\x42onmux-417417")

	// RFC 3261, section 11: what can you do? The reply goes to where we ask from (RFC 3581).
	askSIP = []byte("OPTIONS sip:onmux@invalid SIP/2.0\r\nVia: SIP/2.0/UDP invalid;branch=z9hG4bK-onmux;rport\r\n" +
		"Max-Forwards: 70\r\nFrom: <sip:onmux@invalid>;tag=onmux\r\nTo: <sip:onmux@invalid>\r\n" +
		"Call-ID: onmux\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")

	// RFC 6886, section 3.2: what is your external address? RFC 6887, section 14.1:
	// ANNOUNCE, which maps nothing; it names no address of ours, so an error answers.
	askExternal = []byte("\x00\x00")
	askAnnounce = append([]byte{2}, make([]byte, 23)...)

	// RFC 6762, section 6.7 and RFC 6763, section 9: which service types? Answered
	// by unicast, since the question does not come from port 5353.
	askServices = []byte("\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09_services\x07_dns-sd\x04_udp\x05local\x00\x00\x0c\x00\x01")

	// RFC 7252, section 4.3: an empty confirmable message, a ping, answered by a
	// reset of four bytes.
	askCoAP = []byte("\x40\x00\x04\x17")

	// memcached's protocol.txt, "UDP protocol": request 0x0417, datagram 0 of 1, and
	// the command that answers least.
	askMemcached = []byte("\x04\x17\x00\x00\x00\x01\x00\x00version\r\n")
)

const ikeHeader = "onmux417\x00\x00\x00\x00\x00\x00\x00\x00\x00\x30\x22\x08\x00\x00\x00\x00\x00\x00\x00\x1c"

func rpcNull(program, version string) []byte {
	return append([]byte("\x00\x00\x04\x17\x00\x00\x00\x00\x00\x00\x00\x02"+program+version), make([]byte, 20)...)
}
