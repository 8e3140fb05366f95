package service

// questions are the handshakes that identification tries when neither a
// greeting nor TLS nor a page told enough. What can be said in a fixed string is
// a row here; what needs more is a row that names a function in a file of its
// own. Each is written from the document named beside it.
var questions = []question{
	// RFC 9110, section 7.2: the page of the name that was asked for.
	{name: "http-host", service: "http", rarity: only, text: pageOfHost},
	// Where etcd, Kubernetes and Docker say what they are.
	{name: "http-version", service: "http", rarity: only, say: "GET /version HTTP/1.0\r\nUser-Agent: onmux\r\n\r\n",
		ports: []uint16{2375, 2376, 2379, 6443, 8001, 10250}},
	// Prometheus's exposition formats: where an exporter is looked for, whatever its first page is.
	{name: "http-metrics", service: "http", rarity: only, bare: true, say: "GET /metrics HTTP/1.0\r\nUser-Agent: onmux\r\n\r\n"},

	// RFC 5321, section 4.1.1.1.
	{name: "smtp-ehlo", service: "smtp", rarity: only, greeted: true, ports: []uint16{25, 26, 465, 587, 2525},
		say: "EHLO onmux.invalid\r\n", bye: "QUIT\r\n"},
	// RFC 2449, section 5.
	{name: "pop3-capa", service: "pop3", rarity: only, greeted: true, ports: []uint16{110, 995}, say: "CAPA\r\n", bye: "QUIT\r\n"},
	// RFC 2971, section 3.1.
	{name: "imap-id", service: "imap", rarity: only, greeted: true, ports: []uint16{143, 220, 993}, say: "a ID NIL\r\n", bye: "b LOGOUT\r\n"},
	// RFC 959, section 4.1.3.
	{name: "ftp-help", service: "ftp", rarity: only, greeted: true, ports: []uint16{21, 990, 2121}, say: "HELP\r\n", bye: "QUIT\r\n"},
	// RFC 3977, section 5.2.
	{name: "nntp-capabilities", service: "nntp", rarity: only, greeted: true, ports: []uint16{119, 433, 563}, say: "CAPABILITIES\r\n", bye: "QUIT\r\n"},

	{name: "postgresql", service: "postgresql", rarity: 1, ports: []uint16{5432, 5433, 6432}, talk: askPostgres},
	// RFC 4511, section 4.5.1, and RFC 4512, section 5.1: the root DSE.
	{name: "ldap", service: "ldap", rarity: 2, ports: []uint16{389, 636, 3268, 3269}, text: fixed(rootDSE)},
	{name: "smb", service: "smb", rarity: 2, ports: []uint16{139, 445}, text: fixed(smbNegotiate)},
	// MQTT 3.1.1, section 3.1.2.2: a CONNECT of a level that no broker has is refused, and opens no session.
	{name: "mqtt", service: "mqtt", rarity: 3, ports: []uint16{1883, 8883}, say: "\x10\x10\x00\x04MQTT\x77\x02\x00\x3c\x00\x04onmx"},
	// AMQP 0-9-1, section 4.2.2: the protocol header. Whoever is sent anything else, as a page's request, answers with its own.
	{name: "amqp", service: "amqp", rarity: only, ports: []uint16{5671, 5672}, say: "AMQP\x00\x00\x09\x01"},
	// RFC 4892: which software; RFC 1035, section 4.2.2: who serves the root? In one connection (RFC 7766, section
	// 6.2.1.1), in this order: dnsmasq leaves at the second, and others take no notice of the first.
	{name: "dns", service: "dns", rarity: 3, ports: []uint16{53, 853}, say: "\x00\x1e" + versionBind + "\x00\x11" + rootServers},
	// The same alone, for who does not take two at once.
	{name: "dns-version", service: "dns", rarity: only, say: "\x00\x1e" + versionBind},
	// MS-RDPBCGR, section 2.2.1.1: an X.224 connection request that offers TLS and CredSSP.
	{name: "rdp", service: "rdp", rarity: 3, ports: []uint16{3389},
		say: "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"},
	// MS-TDS, section 2.2.6.5: PRELOGIN with VERSION and ENCRYPTION.
	{name: "mssql", service: "mssql", rarity: 3, ports: []uint16{1433},
		say: "\x12\x01\x00\x1a\x00\x00\x00\x00" + "\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff" + "\x00\x00\x00\x00\x00\x00\x02"},
	{name: "mongodb", service: "mongodb", rarity: 4, ports: []uint16{27017, 27018, 27019}, text: fixed(mongoHello)},
	// RFC 9113, section 3.4: the preface of HTTP/2 with empty SETTINGS.
	{name: "h2c", service: "h2c", rarity: 5, ports: []uint16{50051}, say: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"},
	// X11 protocol, section 8: little-endian, version 11.0, no authorization.
	{name: "x11", service: "x11", rarity: 5, ports: []uint16{6000, 6001, 6002, 6003, 6010}, say: "l\x00\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
	// Kafka protocol guide, ApiVersions (key 18) version 0, correlation 0x04170417, no client.
	{name: "kafka", service: "kafka", rarity: 5, ports: []uint16{9092, 9093}, say: "\x00\x00\x00\x0a\x00\x12\x00\x00\x04\x17\x04\x17\xff\xff"},
	// CQL binary protocol v4, section 4.1.3: OPTIONS on stream 0x0417. A page's request draws an error
	// (section 9: the version is checked first).
	{name: "cassandra", service: "cassandra", rarity: only, ports: []uint16{9042}, say: "\x04\x00\x04\x17\x05\x00\x00\x00\x00"},
	// RFC 5531, section 11, and RFC 1833, section 3: a null call in one record.
	{name: "rpcbind", service: "rpcbind", rarity: 5, ports: []uint16{111, 2049}, say: "\x80\x00\x00\x28" + rpcNull},
	// Erlang distribution protocol, section 13.2, NAMES_REQ.
	{name: "epmd", service: "epmd", rarity: 6, ports: []uint16{4369}, say: "\x00\x01\x6e"},
	// RFC 1928, section 3: no authentication is offered.
	{name: "socks5", service: "socks", rarity: 6, ports: []uint16{1080, 9050, 9150}, say: "\x05\x01\x00"},
	// SOCKS 4: neither CONNECT nor BIND but command 0, which opens nothing and is rejected. Of a service of its own: who
	// speaks version 5 need not be asked for it.
	{name: "socks4", service: "socks4", rarity: only, ports: []uint16{1080}, say: "\x04\x00\x00\x00\x00\x00\x00\x00\x00"},
	{name: "oracle-tns", service: "oracle-tns", rarity: 6, ports: []uint16{1521, 1522, 2483}, text: fixed(tnsPing)},
	// ZooKeeper administrator's guide, four letter words: srvr is allowed by default.
	{name: "zookeeper", service: "zookeeper", rarity: 7, ports: []uint16{2181, 2182}, say: "srvr"},

	// What draws an error from GET needs no guess; the rest is asked at home only.
	// The section "server" holds the version and no data.
	{name: "redis-info", service: "redis", rarity: only, ports: []uint16{6379}, say: "INFO server\r\n"},
	// memcached's doc/protocol.txt, "version".
	{name: "memcached-version", service: "memcached", rarity: only, ports: []uint16{11211}, say: "version\r\n"},
	// beanstalkd's doc/protocol.txt, "stats".
	{name: "beanstalk-stats", service: "beanstalk", rarity: only, ports: []uint16{11300}, say: "stats\r\n"},
	// clamd(8), "VERSION".
	{name: "clamd-version", service: "clamd", rarity: only, ports: []uint16{3310}, say: "nVERSION\n"},
	// RFC 2326, section 10.1.
	{name: "rtsp", service: "rtsp", rarity: only, ports: []uint16{554, 8554}, say: "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"},
	// RFC 3261, section 11.
	{name: "sip", service: "sip", rarity: only, ports: []uint16{5060, 5061}, say: sipOptions("TCP")},
	// RFC 8489, section 6.2.2: as over UDP.
	{name: "stun", service: "stun", rarity: only, ports: []uint16{3478, 5349}, say: stunBinding},
	{name: "kerberos", service: "kerberos", rarity: only, ports: []uint16{88}, text: fixed(kerberosStream)},
	// RFC 6120, section 4.2.
	{name: "xmpp", service: "xmpp", rarity: only, ports: []uint16{5222, 5223, 5269}, say: "<?xml version='1.0'?><stream:stream to='localhost'" +
		" xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"},
	// RFC 1078.
	{name: "tcpmux", service: "tcpmux", rarity: only, ports: []uint16{1}, say: "HELP\r\n"},
	// RFC 1288, section 2.3: all users.
	{name: "finger", service: "finger", rarity: only, ports: []uint16{79}, say: "\r\n"},
	// RFC 1413, section 4: a pair that cannot be ours.
	{name: "ident", service: "ident", rarity: only, ports: []uint16{113}, say: "1,1\r\n"},
	// gitprotocol-pack, "git transport": a repository that is not there.
	{name: "git", service: "git", rarity: only, ports: []uint16{9418}, say: "002agit-upload-pack /onmux\x00host=localhost\x00"},
	{name: "iscsi", service: "iscsi", rarity: only, ports: []uint16{860, 3260}, text: fixed(iscsiLogin)},
	{name: "pptp", service: "pptp", rarity: only, ports: []uint16{1723}, text: fixed(pptpStart)},
	// RFC 4271, section 4.2: an OPEN of AS 23456, which no session has.
	{name: "bgp", service: "bgp", rarity: only, ports: []uint16{179},
		say: "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x1d\x01\x04\x5b\xa0\x00\xb4\x04\x17\x04\x17\x00"},
	// AOSP adb's protocol.txt: CNXN, version 0x01000000.
	{name: "adb", service: "adb", rarity: only, ports: []uint16{5555}, text: fixed(adbConnect)},
	// AJP 1.3, CPing.
	{name: "ajp", service: "ajp", rarity: only, ports: []uint16{8009}, say: "\x12\x34\x00\x01\x0a"},
}

// The words that TCP and UDP share.
const (
	// RFC 1035, section 4.1: NS of the root, no recursion wanted.
	rootServers = "\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01"
	// RFC 4892, section 3: TXT of version.bind in class CH.
	versionBind = "\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03"
	// RFC 8489, section 5: a Binding request.
	stunBinding = "\x00\x01\x00\x00\x21\x12\xa4\x42onmux-417417"
	// RFC 5531 and RFC 1833, section 3: procedure 0 of program 100000 version 2, no credentials.
	rpcNull = "\x04\x17\x04\x17\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa0\x00\x00\x00\x02\x00\x00\x00\x00" +
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// sipOptions asks what a SIP element can do (RFC 3261, section 11); the reply
// goes to where we ask from (RFC 3581).
func sipOptions(transport string) string {
	return "OPTIONS sip:onmux@invalid SIP/2.0\r\nVia: SIP/2.0/" + transport + " invalid;branch=z9hG4bK-onmux;rport\r\n" +
		"Max-Forwards: 70\r\nFrom: <sip:onmux@invalid>;tag=onmux\r\nTo: <sip:onmux@invalid>\r\n" +
		"Call-ID: onmux\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
}

// fixed is a question's text that does not depend on the target.
func fixed(f func() []byte) func(*Options) []byte { return func(*Options) []byte { return f() } }
