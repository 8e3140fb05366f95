package request

// HTTP gets the first page, without a Host header: Redis takes that for an attack, logs
// it, and closes the connection.
var HTTP = Request{Name: "http", Service: "http", data: "GET / HTTP/1.0\r\n\r\n",
	Ports: []uint16{80, 81, 591, 3000, 5000, 8000, 8008, 8080, 8081, 8888, 9000, 9090}}

// tcp has the requests over TCP beside HTTP.
var tcp = []Request{
	// RFC 9110, section 7.2: the page of the given host name.
	{Name: "http-host", Service: "http", Rarity: Rare, buildFor: pageOfHost},
	// Where etcd, Kubernetes and Docker identify themselves.
	{Name: "http-version", Service: "http", Rarity: Rare, data: "GET /version HTTP/1.0\r\nUser-Agent: onmux\r\n\r\n",
		Ports: []uint16{2375, 2376, 2379, 6443, 8001, 10250}},
	// Prometheus's exposition formats: the usual path of an exporter, whatever its first page is.
	{Name: "http-metrics", Service: "http", Rarity: Rare, Generic: true,
		data: "GET /metrics HTTP/1.0\r\nUser-Agent: onmux\r\n\r\n"},

	// RFC 5321, section 4.1.1.1.
	{
		Name:          "smtp-ehlo",
		Service:       "smtp",
		Rarity:        Rare,
		AfterGreeting: true,
		Lists:         true,
		Ports:         []uint16{25, 26, 465, 587, 2525},
		data:          "EHLO onmux.invalid\r\n",
		Goodbye:       "QUIT\r\n",
	},
	// RFC 2449, section 5.
	{
		Name:          "pop3-capa",
		Service:       "pop3",
		Rarity:        Rare,
		AfterGreeting: true,
		Lists:         true,
		Ports:         []uint16{110, 995},
		data:          "CAPA\r\n",
		Goodbye:       "QUIT\r\n",
	},
	// RFC 9051, section 6.1.1: where the greeting does not list the capabilities.
	{Name: "imap-capability", Service: "imap", Rarity: Rare, AfterGreeting: true, Lists: true, data: "a CAPABILITY\r\n",
		Goodbye: "b LOGOUT\r\n"},
	// RFC 2971, section 3.1.
	{Name: "imap-id", Service: "imap", Rarity: Rare, AfterGreeting: true, Ports: []uint16{143, 220, 993},
		data: "a ID NIL\r\n", Goodbye: "b LOGOUT\r\n"},
	// RFC 959, section 4.1.3.
	{Name: "ftp-help", Service: "ftp", Rarity: Rare, AfterGreeting: true, Ports: []uint16{21, 990, 2121},
		data: "HELP\r\n", Goodbye: "QUIT\r\n"},
	// RFC 2389, section 3.
	{Name: "ftp-feat", Service: "ftp", Rarity: Rare, AfterGreeting: true, Lists: true, data: "FEAT\r\n",
		Goodbye: "QUIT\r\n"},
	// Munin's network protocol; Gearman's administrative protocol.
	{
		Name:          "munin-version",
		Service:       "munin-node",
		Rarity:        Rare,
		AfterGreeting: true,
		data:          "cap\nversion\n",
		Goodbye:       "quit\n",
	},
	{Name: "gearman-version", Service: "gearman", Rarity: Rare, Continues: true, Ports: []uint16{4730}, data: "version\n"},
	// IRCv3, capability negotiation: it begins no registration that would be counted. Servers without it
	// ignore that, and answer VERSION (RFC 2812, section 3.4.3), if only by an error.
	{Name: "irc-cap", Service: "irc", Rarity: Rare, Ports: []uint16{6665, 6666, 6667, 6668, 6669},
		data: "CAP LS\r\nVERSION\r\n", Goodbye: "QUIT\r\n"},
	// Zabbix' header protocol, section 4 of its manual's appendix: agent.ping.
	{Name: "zabbix", Service: "zabbix", Rarity: 4, Ports: []uint16{10050},
		data: "ZBXD\x01\x0a\x00\x00\x00\x00\x00\x00\x00agent.ping"},
	// Quassel's protocol.h: the magic number with no features, and the DataStream protocol.
	{Name: "quassel", Service: "quassel", Rarity: 8, Ports: []uint16{4242}, data: "\x42\xb3\x3f\x00\x80\x00\x00\x02"},
	// RFC 3977, section 5.2.
	{
		Name:          "nntp-capabilities",
		Service:       "nntp",
		Rarity:        Rare,
		AfterGreeting: true,
		Lists:         true,
		Ports:         []uint16{119, 433, 563},
		data:          "CAPABILITIES\r\n",
		Goodbye:       "QUIT\r\n",
	},

	// MySQL client/server protocol, HandshakeResponse41, sequence 1: protocol 4.1, secure connection, plugins; a user
	// that no server has, without a password. A server counts connections that end before it (max_connect_errors), and
	// after that many accepts none of the client; the refusal of a user does not count.
	{Name: "mysql-handshake", Service: "mysql", Rarity: Rare, AfterGreeting: true, Completes: true,
		data: "\x3d\x00\x00\x01" + "\x01\x82\x08\x00" + "\x00\x00\x00\x01" + "\x21" + zeros19 + "\x00\x00\x00\x00" +
			"onmux\x00" + "\x00" + "mysql_native_password\x00"},

	// PostgreSQL documentation, section 55.2.10: SSLRequest. What follows depends on the answer.
	{Name: "postgresql", Service: "postgresql", Rarity: 1, Ports: []uint16{5432, 5433, 6432},
		data: "\x00\x00\x00\x08\x04\xd2\x16\x2f"},
	// RFC 4511, section 4.5.1, and RFC 4512, section 5.1: the root DSE.
	{Name: "ldap", Service: "ldap", Rarity: 2, Ports: []uint16{389, 636, 3268, 3269}, build: rootDSE},
	{Name: "smb", Service: "smb", Rarity: 2, Ports: []uint16{139, 445}, build: smbNegotiate},
	// MQTT 3.1.1, section 3.1.2.2: a CONNECT of a level that no broker has is refused, and opens no session.
	{Name: "mqtt", Service: "mqtt", Rarity: 3, Ports: []uint16{1883, 8883},
		data: "\x10\x10\x00\x04MQTT\x77\x02\x00\x3c\x00\x04onmx"},
	// AMQP 0-9-1, section 4.2.2: the protocol header. A server answers anything else, such as an HTTP request, with its
	// own header.
	{Name: "amqp", Service: "amqp", Rarity: Rare, Ports: []uint16{5671, 5672}, data: "AMQP\x00\x00\x09\x01"},
	// RFC 4892: the software; RFC 1035, section 4.2.2: the name servers of the root. In one connection (RFC 7766, section
	// 6.2.1.1), in this order: dnsmasq leaves at the second, and others ignore the first.
	{Name: "dns", Service: "dns", Rarity: 3, Ports: []uint16{53, 853}, build: dnsStream(versionBind, rootServers)},
	// The first alone, for servers that do not take two at once.
	{Name: "dns-version", Service: "dns", Rarity: Rare, build: dnsStream(versionBind)},
	// A message without a question: servers and load balancers reject it by different codes.
	{Name: "dns-empty", Service: "dns", Rarity: Rare, build: dnsStream(noQuestion)},
	// MS-RDPBCGR, section 2.2.1.1: an X.224 connection request that offers TLS and CredSSP.
	{Name: "rdp", Service: "rdp", Rarity: 3, Ports: []uint16{3389},
		data: "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"},
	// MS-TDS, section 2.2.6.5: PRELOGIN with VERSION and ENCRYPTION.
	{Name: "mssql", Service: "mssql", Rarity: 3, Ports: []uint16{1433},
		data: "\x12\x01\x00\x1a\x00\x00\x00\x00" + "\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff" +
			"\x00\x00\x00\x00\x00\x00\x02"},
	{Name: "mongodb", Service: "mongodb", Rarity: 4, Ports: []uint16{27017, 27018, 27019}, build: mongoHello},
	// RFC 9113, section 3.4: the preface of HTTP/2 with empty SETTINGS.
	{Name: "h2c", Service: "h2c", Rarity: 8, Ports: []uint16{50051},
		data: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"},
	// X11 protocol, section 8: little-endian, version 11.0, no authorization.
	{Name: "x11", Service: "x11", Rarity: 7, Ports: []uint16{6000, 6001, 6002, 6003, 6010},
		data: "l\x00\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
	// Kafka protocol guide, ApiVersions (key 18) version 0, correlation 0x04170417, no client.
	{Name: "kafka", Service: "kafka", Rarity: 5, Ports: []uint16{9092, 9093},
		data: "\x00\x00\x00\x0a\x00\x12\x00\x00\x04\x17\x04\x17\xff\xff"},
	// CQL binary protocol v4, section 4.1.3: OPTIONS on stream 0x0417. An HTTP request is answered with an error
	// (section 9: the version is checked first).
	{Name: "cassandra", Service: "cassandra", Rarity: Rare, Ports: []uint16{9042},
		data: "\x04\x00\x04\x17\x05\x00\x00\x00\x00"},
	// RFC 5531, section 11, and RFC 1833, section 3: a null call in one record.
	{Name: "rpcbind", Service: "rpcbind", Rarity: 6, Ports: []uint16{111, 2049},
		data: "\x80\x00\x00\x28" + rpcNullPortmap},
	// Erlang distribution protocol, section 13.2, NAMES_REQ.
	{Name: "epmd", Service: "epmd", Rarity: 6, Ports: []uint16{4369}, data: "\x00\x01\x6e"},
	// RFC 1928, section 3: no authentication is offered.
	{Name: "socks5", Service: "socks", Rarity: 5, Ports: []uint16{1080, 9050, 9150}, data: "\x05\x01\x00"},
	// SOCKS 4: neither CONNECT nor BIND but command 0, which opens nothing and is rejected. A service of its own: a
	// server of
	// version 5 need not be tried with it.
	{Name: "socks4", Service: "socks4", Rarity: Rare, Ports: []uint16{1080}, data: "\x04\x00\x00\x00\x00\x00\x00\x00\x00"},
	{Name: "oracle-tns", Service: "oracle-tns", Rarity: 6, Ports: []uint16{1521, 1522, 2483}, build: tnsPing},
	// ZooKeeper administrator's guide, four letter words: srvr is allowed by default.
	{Name: "zookeeper", Service: "zookeeper", Rarity: 6, Ports: []uint16{2181, 2182}, data: "srvr"},

	// These answer a GET with an error; otherwise they are tried on their usual ports only.
	// The section "server" holds the version and no data.
	{Name: "redis-info", Service: "redis", Rarity: Rare, Continues: true, Ports: []uint16{6379}, data: "INFO server\r\n"},
	// memcached's doc/protocol.txt, "version".
	{
		Name:      "memcached-version",
		Service:   "memcached",
		Rarity:    Rare,
		Continues: true,
		Ports:     []uint16{11211},
		data:      "version\r\n",
	},
	// beanstalkd's doc/protocol.txt, "stats".
	{
		Name:      "beanstalk-stats",
		Service:   "beanstalk",
		Rarity:    Rare,
		Continues: true,
		Ports:     []uint16{11300},
		data:      "stats\r\n",
	},
	// clamd(8), "VERSION".
	{Name: "clamd-version", Service: "clamd", Rarity: Rare, Ports: []uint16{3310}, data: "nVERSION\n"},
	// RFC 2326, section 10.1.
	{Name: "rtsp", Service: "rtsp", Rarity: Rare, Ports: []uint16{554, 8554},
		data: "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"},
	// RFC 3261, section 11.
	{Name: "sip", Service: "sip", Rarity: Rare, Ports: []uint16{5060, 5061}, build: sipOverTCP},
	// RFC 8489, section 6.2.2: as over UDP.
	{Name: "stun", Service: "stun", Rarity: Rare, Ports: []uint16{3478, 5349}, data: stunBinding},
	{Name: "kerberos", Service: "kerberos", Rarity: Rare, Ports: []uint16{88}, build: kerberosStream},
	// RFC 6120, section 4.2.
	{Name: "xmpp", Service: "xmpp", Rarity: Rare, Ports: []uint16{5222, 5223, 5269},
		buildFor: XMPPStream},
	// RFC 1078.
	{Name: "tcpmux", Service: "tcpmux", Rarity: Rare, Ports: []uint16{1}, data: "HELP\r\n"},
	// RFC 1288, section 2.3: all users.
	{Name: "finger", Service: "finger", Rarity: Rare, Ports: []uint16{79}, data: "\r\n"},
	// RFC 1413, section 4: a pair that cannot be ours.
	{Name: "ident", Service: "ident", Rarity: Rare, Ports: []uint16{113}, data: "1,1\r\n"},
	// gitprotocol-pack, "git transport": a repository that is not there.
	{Name: "git", Service: "git", Rarity: 4, Ports: []uint16{9418},
		data: "002agit-upload-pack /onmux\x00host=localhost\x00"},
	{Name: "iscsi", Service: "iscsi", Rarity: 5, Ports: []uint16{860, 3260}, build: iscsiLogin},
	// Firebird's remote protocol (protocol.h), op_connect: version 3 of it, one of the protocol's versions, no user.
	{Name: "firebird", Service: "firebird", Rarity: 7, Ports: []uint16{3050},
		data: "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x01\x00\x00\x00\x05onmux\x00\x00\x00" +
			"\x00\x00\x00\x01\x00\x00\x00\x00\xff\xff\x80\x0d\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x02"},
	// LCDproc's developer guide, "hello": the version.
	{Name: "lcdproc", Service: "lcdproc", Rarity: Rare, Continues: true, Ports: []uint16{13666}, data: "hello\n",
		Goodbye: "bye\n"},
	// SAM 3.0, section "Handshake".
	{Name: "i2p-sam", Service: "i2p-sam", Rarity: 9, Ports: []uint16{7656}, data: "HELLO VERSION\n"},
	// Corosync's qnetd protocol, msg.h: a message of type 0 without options is refused.
	{Name: "corosync-qnetd", Service: "corosync-qnetd", Rarity: Rare, Ports: []uint16{5403},
		data: "\x00\x00\x00\x00\x00\x00"},
	// dnsdist's console: a nonce of 24 bytes, and a message without content, which is answered without.
	{Name: "dnsdist-console", Service: "dnsdist-console", Rarity: Rare, Ports: []uint16{5199},
		data: "onmux-417-nonce-24-bytes\x00\x00\x00\x00"},
	{Name: "pptp", Service: "pptp", Rarity: Rare, Ports: []uint16{1723}, build: pptpStart},
	// RFC 4271, section 4.2: an OPEN of AS 23456, which no session has.
	{Name: "bgp", Service: "bgp", Rarity: Rare, Ports: []uint16{179},
		data: "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x1d\x01\x04\x5b\xa0\x00\xb4\x04\x17" +
			"\x04\x17\x00"},
	// AOSP adb's protocol.txt: CNXN, version 0x01000000.
	{Name: "adb", Service: "adb", Rarity: Rare, Ports: []uint16{5555}, build: adbConnect},
	// AJP 1.3, CPing.
	{Name: "ajp", Service: "ajp", Rarity: Rare, Ports: []uint16{8009}, data: "\x12\x34\x00\x01\x0a"},
}
