package answer

import (
	"bytes"
	"encoding/binary"
	"time"

	"onmux/probe"
)

// replies are what servers answer to a request.
func replies() []Rule {
	return []Rule{
		// RFC 8446, sections 4.1.3 and 6; RFC 6101 (SSL 3.0).
		{"tls-alert", "tls", "", re(`(?s)^\x15\x03[\x00-\x04]\x00\x02[\x01\x02][\x00-\xff]`), probe.Medium, exact},
		{"tls-server-hello", "tls", "", re(`(?s)^\x16\x03[\x00-\x04]..\x02\x00..\x03`), probe.High, exact},

		// PostgreSQL documentation, sections 55.2.10 and 55.2.11: yes or no, a letter each. Poolers have no GSSAPI.
		{"postgresql-plain", "postgresql", "", to(re(`^NN$`), "postgresql"), probe.Medium, protocol},
		{"postgresql-gssapi", "postgresql", "PostgreSQL", to(re(`^NG$`), "postgresql"), probe.High, product},
		// PgBouncer refuses again and again; PostgreSQL returns an error to the second request of GSSAPI.
		{"postgresql-refuses-all", "postgresql", "PgBouncer", to(re(`^NNN$`), "postgresql"), probe.Medium, product},
		{"postgresql-tls", "postgresql", "", to(re(`(?s)^S\x16\x03[\x00-\x04]`), "postgresql"), probe.High, protocol},
		// Section 55.8: the severity that is not translated (V) and the source of the error (F, L, R) are the server's.
		{"postgresql-error", "postgresql", "", re(`(?s)^N{0,2}E\x00\x00..S[A-Z]{5,7}\x00.{0,40}C[0-9A-Z]{5}\x00`), probe.High,
			protocol},
		{"postgresql-error-source", "postgresql", "PostgreSQL",
			re(`(?s)^N{0,2}E\x00\x00..S[^\x00]+\x00VFATAL\x00C[0-9A-Z]{5}\x00.*F(?:postmaster|backend_startup|` +
				`auth|postinit)\.c\x00`), probe.High, product},
		{"postgresql-pgbouncer", "postgresql", "PgBouncer",
			re(`(?s)^N{0,2}E\x00\x00..SFATAL\x00C08P01\x00M(?:client sent partial pkt in startup phase|bad packet header: ` +
				`|no username supplied|SSL required)`), probe.High, exact},
		{"postgresql-pgpool", "postgresql", "Pgpool-II",
			re(`(?s)^N{0,2}E\x00\x00..S[A-Z]{5,7}\x00.*F(?:protocol/)?(?:child|pool_[a-z_]+)\.c\x00`), probe.High, exact},

		// RFC 4511, section 4.1.1: a search result, an error result, or a notice of disconnection.
		{"ldap", "ldap", "", re(`(?s)^\x30(?:[\x09-\x7f]|\x81.|\x82..|\x84....)\x02\x01\x07(?:[\x64\x65])`), probe.High,
			protocol},
		{"ldap-notice", "ldap", "", re(`(?s)^\x30.{1,5}\x02\x01\x00\x78.{0,600}1\.3\.6\.1\.4\.1\.1466\.20036`), probe.High,
			protocol},
		{"ldap-openldap", "ldap", "OpenLDAP", re(`(?s)^\x30.{1,5}\x02\x01\x07\x64.*OpenLDAProotDSE`), probe.High, product},
		{"ldap-active-directory", "ldap", "Microsoft Active Directory",
			re(`(?s)^\x30.{1,5}\x02\x01\x07\x64.*\x04\x14isGlobalCatalogReady`), probe.High, product},
		{"ldap-vendor", "ldap", "", readLDAPVendor, probe.High, exact},

		{"smb2", "smb", "", readSMB, probe.High, protocol},
		// MQTT 3.1.1, section 3.2: CONNACK with a return code; MQTT 5: with a reason code and properties.
		{"mqtt", "mqtt", "", to(re(`^\x20\x02\x00[\x00-\x05]$`), "mqtt"), probe.High, protocol},
		{"mqtt-5", "mqtt", "", to(re(`(?s)^\x20[\x03-\x7f]\x00[\x80-\x9f]`), "mqtt"), probe.High, protocol},
		// AMQP 0-9-1, section 4.2.2: the header that the server would have; AMQP 1.0, section 2.2.
		{"amqp-header", "amqp", "", re(`^AMQP[\x00\x02\x03](?:\x00\x09\x01|\x01\x00\x00|\x09\x01\x00|\x00\x0a\x00)`),
			probe.High, protocol},
		{"amqp-start", "amqp", "", re(`(?s)^\x01\x00\x00.{4}\x00\x0a\x00\x0a\x00\x09`), probe.High, protocol},
		{"amqp-start-product", "amqp", "", readAMQPStart, probe.High, product},

		{"dns", "dns", "", readDNS, probe.High, protocol},
		{"dns-version", "dns", "", readDNSVersion, probe.High, product},
		{"dns-dnsdist", "dns", "dnsdist", readDNSDist, probe.High, exact},

		// MS-RDPBCGR, section 2.2.1.2: X.224 connection confirm, with or without negotiation.
		{"rdp", "rdp", "", re(`(?s)^\x03\x00\x00[\x0b\x13][\x06\x0e]\xd0\x00\x00..\x00`), probe.High, protocol},
		{"mssql", "mssql", "Microsoft SQL Server", readPrelogin, probe.High, product},

		// MongoDB wire protocol: OP_REPLY or OP_MSG to our request.
		{"mongodb", "mongodb", "MongoDB", re(`(?s)^.{4}.{4}\x17\x04\x17\x04(?:\x01\x00|\xdd\x07)\x00\x00`), probe.High,
			protocol},
		{"mongodb-build", "mongodb", "MongoDB",
			re(`(?s)^.{4}.{4}\x17\x04\x17\x04(?:\x01\x00|\xdd\x07)\x00\x00.*\x02version\x00.\x00\x00\x00(?P<version>\d` +
				`[\w.+-]*)\x00`), probe.High, product},

		{"x11", "x11", "", readX11, probe.High, protocol},
		// Kafka protocol guide: our correlation, no error or "unsupported version", API keys in order.
		{"kafka", "kafka", "", re(`(?s)^\x00\x00..\x04\x17\x04\x17\x00[\x00\x23]\x00\x00`), probe.High, protocol},
		// CQL binary protocol v4, sections 4.2.4 and 4.2.1: SUPPORTED or ERROR on our stream.
		{"cassandra", "cassandra", "", re(`(?s)^[\x83-\x85]\x00\x04\x17\x06.*CQL_VERSION`), probe.High, protocol},
		{"cassandra-scylla", "cassandra", "ScyllaDB", re(`(?s)^[\x83-\x85]\x00\x04\x17\x06.*SCYLLA_`), probe.High, product},
		{"cassandra-error", "cassandra", "", re(`(?s)^[\x81-\x85]\x00(?:\x04\x17|\x00\x00)\x00\x00\x00..\x00\x00\x00\x0a`),
			probe.High, protocol},
		// RFC 5531, section 9: a reply to our call.
		{"rpcbind", "rpcbind", "",
			re(`(?s)^(?:\x80\x00\x00.)?\x04\x17\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00` +
				`\x00\x00\x00`), probe.High, protocol},
		{"rpc", "rpc", "", re(`(?s)^(?:\x80\x00\x00.)?\x04\x17\x04\x17\x00\x00\x00\x01\x00\x00\x00[\x00\x01]`), probe.High,
			protocol},
		// Erlang distribution protocol, section 13.2, NAMES_RESP: epmd's own port, then lines.
		{"epmd", "epmd", "Erlang Port Mapper Daemon", to(re(`(?s)^\x00\x00..(?:name [^\r\n ]+ at port \d{1,5}\n)+$`),
			"epmd"), probe.High, product},
		{"epmd-empty", "epmd", "Erlang Port Mapper Daemon", to(re(`(?s)^\x00\x00..$`), "epmd"), probe.Medium, protocol},
		// RFC 1928, section 3.
		{"socks5", "socks", "", to(re(`^\x05[\x00\xff]$`), "socks5"), probe.High, protocol},
		// microsocks sends it after any first bytes that it does not know.
		{"socks5-refused", "socks", "", readSOCKSRefusal, probe.Medium, weak},
		// SOCKS 4, "Reply": version 0, granted or rejected, an address.
		{"socks4", "socks", "", to(re(`(?s)^\x00[\x5a-\x5d].{6}$`), "socks4"), probe.High, protocol},
		{"oracle-tns", "oracle-tns", "", readTNS, probe.High, protocol},
		{"zookeeper", "zookeeper", "Apache ZooKeeper", re(`^Zookeeper version: (?P<version>\d[\w.]*)`), probe.High, product},
		{"zookeeper-refused", "zookeeper", "Apache ZooKeeper",
			re(`^srvr is not executed because it is not in the whitelist\.`), probe.High, product},
		// RFC 9113, sections 3.4 and 6.5: the server's preface is SETTINGS.
		{"http2", "h2c", "", re(`(?s)^\x00\x00[\x00-\x60]\x04\x00\x00\x00\x00\x00(?:\x00[\x01-\x10].{4})*(?:$|\x00\x00)`),
			probe.High, protocol},

		// RESP: an error names the command that it does not know.
		{"redis-error", "redis", "",
			re(`^-(?:ERR (?:wrong number of arguments for '(?i:get)' command|unknown command)|NOAUTH ` +
				`|DENIED Redis )`), probe.Medium, protocol},
		{"redis-info", "redis", "Redis",
			re(`^\$\d{1,5}\r\n# Server\r\n(?:[^\r\n]*\r\n)*?redis_version:(?P<version>\d[\w.]*)\r\n`), probe.High, product},
		{"redis-info-valkey", "redis", "Valkey",
			re(`^\$\d{1,5}\r\n# Server\r\n(?:[^\r\n]*\r\n)*?valkey_version:(?P<version>\d[\w.]*)\r\n`), probe.High, exact},
		{"memcached-error", "memcached", "", re(`^(?:ERROR\r\n)+$`), probe.Medium, weak},
		{"memcached-version", "memcached", "memcached", re(`^VERSION (?P<version>\d[\w.-]*)\r\n`), probe.High, product},
		{"beanstalk-error", "beanstalk", "beanstalkd", re(`^(?:UNKNOWN_COMMAND\r\n)+$`), probe.Medium, protocol},
		{"beanstalk-stats", "beanstalk", "beanstalkd", re(`^OK \d+\r\n---\n(?:[^\n]*\n)*?version: "?(?P<version>\d[\w.+]*)`),
			probe.High, product},
		{"clamd-error", "clamd", "ClamAV", re(`^UNKNOWN COMMAND\n$`), probe.Medium, protocol},
		{"gearman", "gearman", "Gearman", re(`^(?:ERR UNKNOWN_COMMAND Unknown\+server\+command[^\r\n]*\r\n)+$`), probe.High,
			product},
		{"gearman-version", "gearman", "Gearman", to(re(`^OK (?P<version>\d[\w.]*)(?:\+\w+)?\n$`), "gearman-version"),
			probe.High, product},
		{"spamd", "spamd", "SpamAssassin", re(`^SPAMD/\d\.\d \d{1,2} [A-Z]`), probe.High, product},
		{"zabbix", "zabbix", "Zabbix", re(`^ZBXD[\x01\x03]`), probe.High, product},
		{"quassel", "quassel", "Quassel Core", to(re(`(?s)^\x00\x00[\x00-\x03][\x01\x02]$`), "quassel"), probe.High, product},
		{"zabbix-not-supported", "zabbix", "Zabbix", re(`^ZBX_NOTSUPPORTED\x00`), probe.High, product},
		// Firebird's protocol.h: op_accept with a version, op_cont_auth, op_accept_data, op_cond_accept.
		{"firebird", "firebird", "Firebird", to(re(`(?s)^\x00\x00\x00(?:\x03(?:\x00\x00|\xff\xff)..|[\x5c\x5e\x62]\x00\x00)`),
			"firebird"), probe.High, protocol},
		{"lcdproc-error", "lcdproc", "LCDproc", re(`^huh\? Invalid command "`), probe.High, product},
		{"lcdproc", "lcdproc", "LCDproc", re(`^connect LCDproc (?P<version>\d[\w.]*) protocol \d`), probe.High, exact},
		{"i2p-sam", "i2p-sam", "", re(`^HELLO REPLY RESULT=[A-Z0-9_]+`), probe.High, protocol},
		{"corosync-qnetd", "corosync-qnetd", "Corosync QNet daemon",
			to(re(`(?s)^\x00\x05\x00\x00\x00.\x00\x06\x00\x02\x00`), "corosync-qnetd"), probe.High, product},
		{"dnsdist-console", "dnsdist-console", "dnsdist", readDNSDistConsole, probe.High, product},
		// JSON-RPC 2.0, section 5.1: what it sends to anything that is no JSON.
		{"json-rpc", "json-rpc", "",
			re(`^\{(?:"[a-z]+":[^{}]*,)?"error":\{(?:[^{}]*,)?"code":-32700\b`), probe.High, protocol},
		// Tor answers a browser in HTTP that it does not speak HTTP.
		{"tor-socks", "socks", "Tor", re(`^HTTP/1\.0 501 Tor is not an HTTP Proxy\r\n`), probe.High, exact},
		{"tor-control", "tor-control", "Tor",
			re(`(?s)^(?:HTTP/1\.0 501 Tor ControlPort is not an HTTP proxy\r\n|` +
				`\x00.\x00\x00\x00\x01The v0 control protocol is not supported by Tor )`), probe.High, exact},
		{"tor-control-auth", "tor-control", "", re(`^514 Authentication required\.\r\n$`), probe.Medium, protocol},
		{"clamd-version", "clamd", "ClamAV", re(`^ClamAV (?P<version>\d[\w.]*)`), probe.High, product},
		{"rtsp", "rtsp", "", re(`^RTSP/1\.0 \d{3} `), probe.High, protocol},
		{"rtsp-server", "rtsp", "",
			re(`(?i)^RTSP/1\.0 \d{3} [^\r\n]*\r\n(?:[^\r\n]+\r\n)*?Server: (?P<product>[^\r\n/(]*[^\r\n/( ])(?:` +
				`[/ ]v?(?P<version>\d[\w.]*))?`), probe.High, product},
		{"sip", "sip", "", re(`^SIP/2\.0 \d{3} `), probe.High, protocol},
		{"sip-server", "sip", "",
			re(`(?i)^SIP/2\.0 \d{3} [^\r\n]*\r\n(?:[^\r\n]+\r\n)*?(?:Server|User-Agent): ?(?P<product>[^\r\n/(]*[^\r\n/( ])` +
				`(?:[/ ]v?(?P<version>\d[\w.]*))?`), probe.High, product},
		// RFC 6120, section 4.2, and 4.9: a stream, or an error in one.
		{"xmpp", "xmpp", "", re(`^(?:<\?xml[^>]{0,60}\?>\s*)?<stream:(?:stream|error)[ >]`), probe.High, protocol},
		{"xmpp-server", "xmpp", "", re(`^(?:<\?xml[^>]{0,60}\?>\s*)?<stream:stream [^>]*xmlns=['"]jabber:server['"]`),
			probe.High, product},
		// RFC 1288; RFC 1413, section 4; RFC 1078.
		{"finger", "finger", "", to(re(`^(?:Login\s+Name\b|No one logged on|\r?\nNo one logged on)`), "finger", "http",
			"tls"), probe.High, protocol},
		{"finger-nobody", "finger", "", re(`^finger: [^\r\n]+: no such user`), probe.High, protocol},
		{"ident", "ident", "", re(`^\s{0,4}\d{1,5}\s{0,4},\s{0,4}\d{1,5}\s{0,4}:\s{0,4}(?:ERROR|USERID)\s*:`), probe.High,
			protocol},
		// inetd's answer to a service that it does not have, and RFC 1078's list of those that it has.
		{"tcpmux", "tcpmux", "", re(`^-Service not available\r\n$`), probe.High, protocol},
		{"tcpmux-list", "tcpmux", "", to(re(`^(?:[a-z][\w.+-]{0,31}\r\n)+$`), "tcpmux"), probe.Medium, weak},
		{"git", "git", "git daemon", re(`^[0-9a-f]{4}ERR [ -~]+`), probe.High, protocol},
		// RFC 7143, section 11.13: a login response to our task.
		{"iscsi", "iscsi", "", re(`(?s)^\x23[\x00-\xff].{14}\x04\x17\x04\x17`), probe.High, protocol},
		// RFC 2637, section 2.2, with host and vendor.
		{"pptp", "pptp", "", re(`(?s)^\x00\x9c\x00\x01\x1a\x2b\x3c\x4d\x00\x02\x00\x00.{80}(?P<product>[ -~]*)\x00`),
			probe.High, protocol},
		// RFC 4271, section 4.1.
		{"bgp", "bgp", "", re(`(?s)^\xff{16}(?:\x00[\x13-\xff]|[\x01-\x10].)[\x01-\x05]`), probe.High, protocol},
		{"adb", "adb", "Android Debug Bridge",
			re(`(?s)^(?:CNXN|AUTH|STLS).{16}(?:\xbc\xb1\xa7\xb1|\xbe\xaa\xab\xb7|\xac\xab\xb3\xac)`), probe.High, product},
		{"ajp", "ajp", "", re(`^AB\x00\x01\x09$`), probe.High, protocol},

		// RFC 862, 867 and 868. A time is within a day of ours.
		{"echo", "echo", "", readEcho, probe.Medium, protocol}, // so does whatever returns what it receives
		{"daytime", "daytime", "",
			re(`(?i)^(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?(?:\d{1,2} )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct` +
				`|Nov|Dec)[a-z]* [ \d:,]*\d{4}[ \d:A-Z+-]*\r?\n$`), probe.High, protocol},
		{"daytime-iso", "daytime", "", to(re(`^\n?(?:\d{5} )?\d{2,4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[^\r\n]*\r?\n$`), "wait"),
			probe.High, protocol},
		{"time", "time", "", readTime, probe.Medium, protocol},
	}
}

// readSOCKSRefusal recognises a server that accepts no method of ours, whatever the
// request was; it sends nothing without one.
func readSOCKSRefusal(a *Answer) (Facts, bool) {
	return Facts{}, a.Request != Waiting && string(a.Bytes) == "\x05\xff"
}

// readEcho recognises a server that sends back what it received, if that was long enough
// to be no coincidence.
func readEcho(a *Answer) (Facts, bool) {
	return Facts{}, (len(a.Sent) >= 8 || a.Request == "echo") && a.Mirrored()
}

// Mirrored reports whether the peer only sent back what it received.
func (a *Answer) Mirrored() bool { return len(a.Bytes) > 1 && bytes.HasPrefix(a.Sent, a.Bytes) }

// readChargen recognises the pattern by its first line, at any offset.
func readChargen(a *Answer) (Facts, bool) {
	first, _, _ := bytes.Cut(a.Bytes, []byte("\r\n"))
	if len(first) != 72 {
		return Facts{}, false
	}
	for i, c := range first[1:] {
		if before := first[i]; c != before+1 && (c != ' ' || before < '}') {
			return Facts{}, false
		}
	}
	return Facts{}, true
}

// readDNSDistConsole recognises a nonce of 24 bytes and a message without content, in answer to the same.
func readDNSDistConsole(a *Answer) (Facts, bool) {
	return Facts{}, a.Request == "dnsdist-console" && len(a.Bytes) == 28 && string(a.Bytes[24:]) == "\x00\x00\x00\x00" &&
		bytes.Count(a.Bytes, []byte{0}) < 8
}

// readNSCA recognises what NSCA sends first (its common.h, init_packet): an initialization vector of 128 random
// bytes, and the server's time.
func readNSCA(a *Answer) (Facts, bool) {
	if len(a.Bytes) != 132 || a.Request != Waiting {
		return Facts{}, false
	}
	off := time.Since(time.Unix(int64(binary.BigEndian.Uint32(a.Bytes[128:])), 0))
	return Facts{}, off.Abs() < 24*time.Hour
}

// readTime recognises the seconds since 1900 by the clock of this machine.
func readTime(a *Answer) (Facts, bool) {
	const from1900 = 2208988800
	if len(a.Bytes) != 4 {
		return Facts{}, false
	}
	at := int64(binary.BigEndian.Uint32(a.Bytes)) - from1900
	off := time.Since(time.Unix(at, 0))
	return Facts{}, off.Abs() < 24*time.Hour
}
