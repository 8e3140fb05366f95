package answer

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"
)

// specified are answers of servers that testdata/servers.sh does not start, put
// together from the document named beside each: request, answer, and what must
// be made of it.
var specified = []struct{ request, reply, rule, service, product, version string }{
	// Bugtraq, 2000-04-24: a client's login, of two strings.
	{"wait", mmLogin, "meetingmaker-login", "meetingmaker", "Meeting Maker client", ""},
	{"wait", mmLogin[:8] + "\x00\x00\x24\x56" + mmLogin[12:], "", "unknown", "", ""},
	{"wait", mmLogin[:14] + "\x00\x00\x00\x09\x05alice", "", "unknown", "", ""},
	// RFC 8446, section 6: a fatal handshake_failure; section 4.1.3.
	{"tls", "\x15\x03\x01\x00\x02\x02\x28", "tls-alert", "tls", "", ""},
	{"tls", "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", "tls-server-hello", "tls", "", ""},
	// RFC 5321, sections 4.1.1.1 and 4.1.1.8; RFC 2034; vsftpd's ftpcodes.h; RFC 959, section 5.4; RFC 3977, section
	// 5.2.3.
	{"smtp-ehlo", "220 hello\r\n250-mx.example.net\r\n250 SIZE\r\n", "smtp-ehlo", "smtp", "", ""},
	{"smtp-ehlo", "220 hello\r\n500 5.5.1 Command unrecognized\r\n", "smtp-status", "smtp", "", ""},
	{"ftp-help", "220 hello\r\n214-Commands:\r\n214 HELO EHLO MAIL RCPT\r\n", "smtp-help", "smtp", "", ""},
	{"smtp-ehlo", "220 Authorized users only.\r\n530 Please login with USER and PASS.\r\n", "ftp-login", "ftp", "", ""},
	{"ftp-help", "220 hello\r\n214-The following commands are recognized.\r\n ABOR CWD PASV RETR\r\n214 Help OK.\r\n",
		"ftp-help", "ftp", "", ""},
	{"ftp-help", "220 hello\r\n500 What?\r\n", "", "unknown", "", ""},
	{"nntp-capabilities", "200 hello\r\n101 Capability list:\r\nVERSION 2\r\nREADER\r\n.\r\n", "nntp-capabilities",
		"nntp", "", ""},
	{"nntp-capabilities", "200 hello\r\n101 Capability list:\r\nVERSION 2\r\nIMPLEMENTATION INN 2.7.1\r\n.\r\n",
		"nntp-implementation", "nntp", "INN", "2.7.1"},
	// PostgreSQL documentation, section 55.2.10.
	{"postgresql", "NN", "postgresql-plain", "postgresql", "", ""},
	{"postgresql", "NNN", "postgresql-refuses-all", "postgresql", "PgBouncer", ""},
	{"postgresql", "S\x16\x03\x03\x00\x7a\x02", "postgresql-tls", "postgresql", "", ""},
	{"http", "E\x00\x00\x00\x30SFATAL\x00C08P01\x00Minvalid packet\x00\x00", "postgresql-error", "postgresql", "", ""},
	// MySQL's error messages reference: 1040, 1129, with and without the state of SQL; proxies in the greeting.
	{"wait", "\x17\x00\x00\x00\xff\x10\x04Too many connections", "mysql-error", "mysql", "", ""},
	{"wait", "\x1d\x00\x00\x00\xff\x10\x04#08004Too many connections", "mysql-error", "mysql", "", ""},
	{"wait", "\x68\x00\x00\x00\xff\x69\x04Host '10.0.0.1' is blocked because of many connection errors; " +
		"unblock with 'mariadb-admin flush-hosts'", "mysql-error", "mysql", "MariaDB", ""},
	{"wait", "\x17\x00\x00\x00\xff\x10\x27Too many connections", "", "unknown", "", ""},
	{"wait", "\x4a\x00\x00\x00\x0a8.0.11-proxysql\x00\x0b\x00", "mysql-proxysql", "mysql", "ProxySQL", "8.0.11"},
	{"wait", "\x4a\x00\x00\x00\x0a10.11.6 23.08.4-maxscale\x00\x0b\x00", "mysql-maxscale", "mysql", "MaxScale", "23.08.4"},
	// varnish-cli(7); InspIRCd's users.cpp; Zabbix' header; Quassel's protocol.h; dnsdist's own answer.
	{"wait", "200 243     \n-----------------------------\nVarnish Cache CLI 1.0\n-----------------------------\n" +
		"Linux,6.1,x86_64\nvarnish-7.1.1 revision 7cee1c5\n", "varnish-cli-open", "varnish-cli", "Varnish", "7.1.1"},
	{"wait", "ERROR :Closing link: (unknown@10.0.0.1) [Registration timeout]\r\n", "irc-inspircd", "irc", "InspIRCd", ""},
	{"wait", "ERROR :Closing Link: 10.0.0.1 (Throttled)\r\n", "irc-error", "irc", "", ""},
	{"http", "ZBX_NOTSUPPORTED\x00Unsupported item key.", "zabbix-not-supported", "zabbix", "Zabbix", ""},
	// Firebird's protocol.h; LCDproc's developer guide; I2P's SAM and BOB; Corosync's msg.h; dnsdist's console; NSCA's
	// common.h; JSON-RPC 2.0, section 5.1; Ganglia's DTD; BZFlag's protocol. As their servers send them.
	{"firebird", "\x00\x00\x00\x5c" + strings.Repeat("\x00", 16), "firebird", "firebird", "Firebird", ""},
	{"http", "huh? Invalid command \"GET\"\n", "lcdproc-error", "lcdproc", "LCDproc", ""},
	{"lcdproc", "connect LCDproc 0.5.9 protocol 0.3 lcd wid 20 hgt 4 cellwid 5 cellhgt 8\n", "lcdproc", "lcdproc",
		"LCDproc", "0.5.9"},
	{"i2p-sam", "HELLO REPLY RESULT=OK VERSION=3.1\n", "i2p-sam", "i2p-sam", "", ""},
	{"wait", "BOB 00.00.10\nOK\n", "i2p-bob", "i2p-bob", "", ""},
	{"corosync-qnetd", "\x00\x05\x00\x00\x00\x06\x00\x06\x00\x02\x00\x09", "corosync-qnetd", "corosync-qnetd",
		"Corosync QNet daemon", ""},
	{"dnsdist-console",
		"\x98U\x12\xc5\x1c\xdd\xdc\xfc\x0c\xc9O\xa1\x0b}\x14a\x01\x03\x13\xa5l\xe7\xbe\xd7" +
			"\x00\x00\x00\x00",
		"dnsdist-console", "dnsdist-console", "dnsdist", ""},
	{"wait", strings.Repeat("\xa7\x03\xff\x42", 32) + now(), "nsca", "nsca", "NSCA", ""},
	{"wait", strings.Repeat("\xa7\x03\xff\x42", 33), "", "unknown", "", ""},
	{"http", `{"error":{"code":-32700,"data":"syntax error","message":"Parse error"},"id":null,"jsonrpc":"2.0"}` + "\r\n",
		"json-rpc", "json-rpc", "", ""},
	{"wait", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" standalone=\"yes\"?>\n<!DOCTYPE GANGLIA_XML [\n", "ganglia",
		"ganglia", "Ganglia", ""},
	{"wait", "<?xml version=\"1.0\"?>\n<!DOCTYPE GANGLIA_XML [\n]>\n<GANGLIA_XML VERSION=\"3.7.2\" SOURCE=\"gmond\">\n",
		"ganglia-version", "ganglia", "Ganglia", "3.7.2"},
	{"wait", "BZFS0221\r\n\r\n", "bzflag", "bzflag", "BZFlag", ""},
	{"zabbix", "ZBXD\x01\x01\x00\x00\x00\x00\x00\x00\x001", "zabbix", "zabbix", "Zabbix", ""},
	{"quassel", "\x00\x00\x00\x02", "quassel", "quassel", "Quassel Core", ""},
	{"dns", "\x00\x0c\x04\x17\x80\x04\x00\x00\x00\x00\x00\x00\x00\x00", "dns-dnsdist", "dns", "dnsdist", ""},
	{"http", "HTTP/1.0 200 OK\r\n\r\n<head><title>Statistics Report for HAProxy</title></head>" +
		"<h1>HAProxy version 2.6.12-1",
		"http-haproxy-stats", "http", "HAProxy", "2.6.12"},
	{"http", "HTTP/1.1 200 OK\r\n\r\n<title>PowerDNS Authoritative Server Monitor</title>", "http-powerdns", "http",
		"PowerDNS Authoritative Server", ""},
	// Who publishes metrics is named by them, if anything does; of a page by Server or another field.
	{"http-metrics", "HTTP/1.0 200 OK\r\n\r\n# TYPE up gauge\nup 1\n# TYPE x gauge\nacme_build_info{version=\"1.2\"} 1\n",
		"http-build-info", "http", "acme", "1.2"},
	{"http-metrics", "HTTP/1.0 200 OK\r\n\r\n# TYPE go_build_info gauge\ngo_build_info{version=\"(devel)\"} 1\n",
		"http-metrics", "http", "Prometheus exporter", ""},
	{"http-metrics", "HTTP/1.0 200 OK\r\nServer: Anvil/4.17\r\n\r\n# TYPE up gauge\nup 1\n", "http", "http",
		"Anvil", "4.17"},
	{"http", "HTTP/1.1 404 Not Found\r\nX-Anvil-Version: 4.17\r\nX-Api-Version: 2\r\n\r\n", "http", "http", "Anvil",
		"4.17"},
	{"http", "HTTP/1.0 200 OK\r\nServer: ZNC 1.8.2+deb3 - https://znc.in\r\n\r\n", "http", "http", "ZNC", "1.8.2+deb3"},
	{"http", "HTTP/1.0 200 OK\r\nServer: PowerDNS Authoritative Server 4.7.3\r\n\r\n", "http", "http",
		"PowerDNS Authoritative Server", "4.7.3"},
	{"http", "HTTP/1.1 200 OK\r\nServer: 5.10.0 DLNADOC/1.50 UPnP/1.0 MiniDLNA/1.3.0\r\n\r\n", "http", "http", "MiniDLNA",
		"1.3.0"},
	// RFC 9113, sections 6.1, 6.2 and 6.5; RFC 7541, appendix A.
	{"http", "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x10\x01\x04\x00\x00\x00\x01\x88\x0f\x27\x0cnginx/1.22.1" +
		"\x00\x00\x13\x00\x01\x00\x00\x00\x01<title>Shop</title>", "http2-page", "http", "nginx", "1.22.1"},
	{"http", "HTTP/1.1 200 OK\r\n\r\n<title>PowerDNS Authoritative Server Monitor</title>" +
		"<a href=\"/\" id=\"appname\">PowerDNS 4.7.3</a>",
		"http-powerdns", "http", "PowerDNS Authoritative Server", "4.7.3"},
	{"wait", "\x00\x00\x00\x00\x00\x32\x08\x84\x86\x04\x12\x071.3.4-4\x1a\x05Linux\x22\x0aDebian 12\n",
		"mumble", "mumble", "Murmur", "1.3.4"},
	// An error about a protocol is no proof of speaking it.
	{"http", "HTTP/1.0 400 Bad Request\r\n\r\nThis is not an HTTP port", "", "unknown", "", ""},
	{"http", "S\x16\x03\x03\x00\x7a\x02", "", "unknown", "", ""},
	// RFC 4511, sections 4.1.9 and 4.4.1; RFC 3045; MS-ADTS, section 3.1.1.3.2.
	{"ldap", "\x30\x0c\x02\x01\x07\x65\x07\x0a\x01\x32\x04\x00\x04\x00", "ldap", "ldap", "", ""},
	{"http", "\x30\x24\x02\x01\x00\x78\x1f\x0a\x01\x02\x04\x00\x04\x00\x8a\x161.3.6.1.4.1.1466.20036", "ldap-notice",
		"ldap", "", ""},
	// no attributes were requested
	{"cldap", "\x30\x09\x02\x01\x07\x64\x04\x04\x00\x30\x00\x30\x0c\x02\x01\x07\x65\x07\x0a\x01\x00\x04\x00\x04\x00",
		"ldap", "ldap", "", ""},
	{"ldap", "\x30\x4d\x02\x01\x07\x64\x48\x04\x00\x30\x44\x30\x1b\x04\x0avendorName1\x0d\x04\x0b389 " +
		"Project\x30\x25\x04\x0dvendorVersion1\x15\x04\x13389-Directory/2.3.1",
		"ldap-vendor", "ldap", "389 Project", "389-Directory/2.3.1"},
	{"ldap", "\x30\x84\x00\x00\x00\x2b\x02\x01\x07\x64\x84\x00\x00\x00\x22\x04\x00\x30\x84\x00\x00\x00\x1a\x30\x18\x04" +
		"\x14isGlobalCatalogReady1\x06\x04\x04TRUE",
		"ldap-active-directory", "ldap", "Microsoft Active Directory", ""},
	// MQTT 5.0, section 3.2: "unsupported protocol version", no properties.
	{"mqtt", "\x20\x03\x00\x84\x00", "mqtt-5", "mqtt", "", ""},
	// AMQP 0-9-1, sections 4.2.2 and 1.4.2.1; AMQP 1.0, section 2.2.
	{"http", "AMQP\x00\x00\x09\x01", "amqp-header", "amqp", "", ""},
	{"amqp", "AMQP\x00\x01\x00\x00", "amqp-header", "amqp", "", ""},
	{"amqp", "\x01\x00\x00\x00\x00\x00\x1c\x00\x0a\x00\x0a\x00\x09\x00\x00\x00\x00\x00\x00\x00\x05PLAIN\x00\x00\x00" +
		"\x05en_US\xce", "amqp-start", "amqp", "", ""},
	// RFC 1035, section 4.1: refused, and not read at all.
	{"dns", "\x00\x0c\x04\x17\x80\x01\x00\x00\x00\x00\x00\x00\x00\x00", "dns", "dns", "", ""},
	{"dns", "\x00\x11\x04\x17\x80\x05\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01", "dns", "dns", "", ""},
	// RFC 7766, section 6.2.1.1: two answers in one connection.
	{"dns", dnsmasqVersion, "dns-version", "dns", "dnsmasq", "2.90"},
	{"dns", dnsRefused + dnsmasqVersion, "dns-version", "dns", "dnsmasq", "2.90"},
	{"dns", dnsRefused + dnsRefused + "\x00\x40\x04", "dns", "dns", "", ""},
	// MS-TDS, section 2.2.6.5: 15.0.2000.
	{"mssql", "\x04\x01\x00\x1a\x00\x00\x01\x00\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\x0f\x00\x07\xd0\x00\x00\x02",
		"mssql", "mssql", "Microsoft SQL Server", "15.0.2000"},
	// MongoDB wire protocol: OP_REPLY to isMaster; OP_MSG to buildInfo.
	{"mongodb",
		"\x2b\x00\x00\x00\x01\x00\x00\x00\x17\x04\x17\x04\x01\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
			"\x00\x00\x00\x00\x01\x00\x00\x00\x07\x00\x00\x00\x08a\x00", "mongodb", "mongodb", "MongoDB", ""},
	{"mongodb",
		"\x2f\x00\x00\x00\x02\x00\x00\x00\x17\x04\x17\x04\xdd\x07\x00\x00\x00\x00\x00\x00\x00\x1a\x00\x00\x00\x02" +
			"version\x00\x06\x00\x00\x007.0.5\x00\x00", "mongodb-build", "mongodb", "MongoDB", "7.0.5"},
	// X11 protocol, section 8: failed.
	{"x11", "\x00\x16\x0b\x00\x00\x00\x06\x00No protocol specified\n\x00\x00", "x11", "x11", "", ""},
	// Kafka protocol guide, ApiVersions response version 0.
	{"kafka", "\x00\x00\x00\x16\x04\x17\x04\x17\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x09\x00\x01\x00\x00\x00\x0d",
		"kafka", "kafka", "", ""},
	// CQL binary protocol v4, sections 4.2.4, 4.2.1 and 9.
	{"cassandra", "\x84\x00\x04\x17\x06\x00\x00\x00\x16\x00\x01\x00\x0bCQL_VERSION\x00\x01\x00\x053.4.5", "cassandra",
		"cassandra", "", ""},
	{"cassandra",
		"\x84\x00\x04\x17\x06\x00\x00\x00\x2a\x00\x02\x00\x0bCQL_VERSION\x00\x01\x00\x053.3.1\x00\x0cSCYLLA_SHARD\x00\x01" +
			"\x00\x010", "cassandra-scylla", "cassandra", "ScyllaDB", ""},
	{"http", "\x84\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x0a\x00\x03bad", "cassandra-error", "cassandra", "", ""},
	// RFC 5531, section 9: accepted, and program unavailable.
	{"rpcbind",
		"\x80\x00\x00\x18\x04\x17\x04\x17\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
		"rpc", "rpc", "", ""},
	// Erlang distribution protocol, section 13.2.
	{"epmd", "\x00\x00\x11\x11name rabbit at port 25672\n", "epmd", "epmd", "Erlang Port Mapper Daemon", ""},
	{"epmd", "\x00\x00\x11\x11", "epmd-empty", "epmd", "Erlang Port Mapper Daemon", ""},
	// RFC 1928, section 3: no acceptable method.
	{"socks5", "\x05\xff", "socks5", "socks", "", ""},
	// SOCKS 4: rejected.
	{"socks4", "\x00\x5b\x00\x00\x00\x00\x00\x00", "socks4", "socks", "", ""},
	{"http", "\x00\x5b\x00\x00\x00\x00\x00\x00", "", "unknown", "", ""},
	// As packet-tns.c of Wireshark has it.
	{"oracle-tns",
		"\x00\x49\x00\x00\x04\x00\x00\x00\x22\x00\x00\x3d(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR=0)(ALIAS=LISTENER))",
		"oracle-tns", "oracle-tns", "Oracle TNS listener", "19.0.0"},
	// ZooKeeper administrator's guide, "4lw.commands.whitelist".
	{"zookeeper", "srvr is not executed because it is not in the whitelist.\n", "zookeeper-refused", "zookeeper",
		"Apache ZooKeeper", ""},
	// RFC 9113, section 6.5: SETTINGS_MAX_CONCURRENT_STREAMS, and an acknowledgement.
	{"h2c", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00\x00\x00\x04\x01\x00\x00\x00\x00", "http2",
		"h2c", "", ""},
	// beanstalkd's doc/protocol.txt, "stats".
	{"beanstalk-stats", "OK 52\r\n---\ncurrent-jobs-urgent: 0\npid: 7\nversion: \"1.12\"\n\r\n", "beanstalk-stats",
		"beanstalk", "beanstalkd", "1.12"},
	// clamd(8).
	{"http", "UNKNOWN COMMAND\n", "clamd-error", "clamd", "ClamAV", ""},
	{"clamd-version", "ClamAV 1.0.7/27441/Mon Oct 28 09:50:18 2024\n", "clamd-version", "clamd", "ClamAV", "1.0.7"},
	// RFC 2326, sections 10.1 and 12.36.
	{"rtsp", "RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE\r\n\r\n", "rtsp", "rtsp", "", ""},
	{"rtsp", "RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: PhonyServer/1.0\r\n\r\n", "rtsp-server", "rtsp", "PhonyServer", "1.0"},
	// RFC 3261, section 7.2.
	{"sip", "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP invalid\r\n\r\n", "sip", "sip", "", ""},
	// RFC 1288, section 3.2; finger(1).
	{"finger", "Login       Name               TTY Idle    When    Where\r\nroot     The Super User    console\r\n",
		"finger", "finger", "", ""},
	{"http", "finger: /: no such user.\r\n", "finger-nobody", "finger", "", ""},
	// RFC 1413, section 6.
	{"ident", "1 , 1 : ERROR : INVALID-PORT\r\n", "ident", "ident", "", ""},
	// inetd.c of FreeBSD, tcpmux(); RFC 1078.
	{"http", "-Service not available\r\n", "tcpmux", "tcpmux", "", ""},
	{"tcpmux", "help\r\ncalendar\r\n", "tcpmux-list", "tcpmux", "", ""},
	{"http", "help\r\ncalendar\r\n", "", "unknown", "", ""},
	// gitprotocol-common, "pkt-line"; git-daemon(1).
	{"git", "0037ERR access denied or repository not exported: /onmux", "git", "git", "git daemon", ""},
	// RFC 7143, section 11.13: unsupported version.
	{"iscsi", "\x23\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04\x17\x04\x17" + strings.Repeat("\x00",
		16) + "\x02\x05", "iscsi", "iscsi", "", ""},
	// RFC 2637, section 2.2.
	{"pptp", "\x00\x9c\x00\x01\x1a\x2b\x3c\x4d\x00\x02\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x00\x01local" +
		strings.Repeat("\x00", 59) + "linux" + strings.Repeat("\x00", 59), "pptp", "pptp", "linux", ""},
	// AOSP adb, protocol.txt.
	{"adb", "AUTH\x01\x00\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00\x00\x00\x00\x00\xbe\xaa\xab\xb7", "adb", "adb",
		"Android Debug Bridge", ""},
	// AJP 1.3, CPong.
	{"ajp", "AB\x00\x01\x09", "ajp", "ajp", "", ""},
	// RFC 4271, section 4.5: bad peer AS.
	{"wait", strings.Repeat("\xff", 16) + "\x00\x15\x03\x02\x02", "bgp", "bgp", "", ""},
	// NIST's daytime format; RFC 867, section "TCP".
	{"wait", "\n60369 24-02-28 12:00:00 00 0 0 123.4 UTC(NIST) * \n", "daytime-iso", "daytime", "", ""},
	{"wait", "Tuesday, February 22, 1982 17:37:43-PST\r\n", "daytime", "daytime", "", ""},
	// MySQL X protocol, Notice frame of an empty session state.
	{"wait", "\x05\x00\x00\x00\x0b\x08\x05\x1a\x00", "mysqlx", "mysqlx", "MySQL", ""},

	// RFC 9110, section 15.5.8; the documents of each API.
	{"http", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "http-proxy", "http-proxy", "", ""},
	{"http", "HTTP/1.1 400 Bad Request\r\nServer: Privoxy 3.0.34\r\n\r\n", "http-proxy-privoxy", "http-proxy", "Privoxy",
		"3.0.34"},
	{"http", "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n\r\n", "websocket", "http", "", ""},
	{"http", "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nIt looks like you are trying to access MongoDB over " +
		"HTTP on the native driver port.\r\n", "mongodb-http", "mongodb", "MongoDB", ""},
	{"http", "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\n \"name\" : \"n\",\n \"cluster_name\" : " +
		"\"c\",\n \"version\" : {\n  \"number\" : \"8.12.0\"}}", "http-elasticsearch", "http", "Elasticsearch", "8.12.0"},
	{"http", "HTTP/1.1 200 OK\r\n\r\n{\n \"cluster_name\" : \"c\",\n \"version\" : {\n  \"distribution\" : " +
		"\"opensearch\",\n  \"number\" : \"2.11.1\"}}", "http-opensearch", "http", "OpenSearch", "2.11.1"},
	{"http-version",
		"HTTP/1.0 200 OK\r\n\r\n{\"Platform\":{\"Name\":\"Docker Engine - " +
			"Community\"},\"Version\":\"24.0.7\",\"ApiVersion\":\"1.43\"}", "http-docker", "http", "Docker Engine", "24.0.7"},
	{"http", "HTTP/1.0 404 Not Found\r\n\r\n{\"message\":\"page not found\"}\n", "http", "http", "", ""},
	{"http-version",
		"HTTP/1.0 200 OK\r\n\r\n{\n  \"major\": \"1\",\n  \"minor\": \"29\",\n  \"gitVersion\": " +
			"\"v1.29.1\"}", "http-kubernetes", "http", "Kubernetes", "1.29.1"},
	{"http", "HTTP/1.0 403 Forbidden\r\n\r\n{\n  \"kind\": \"Status\",\n  \"apiVersion\": \"v1\",\n  \"metadata\": {}}",
		"http-kubernetes-status", "http", "Kubernetes", ""},
	{"http", "HTTP/1.0 302 Found\r\nLocation: /graph\r\n\r\n<a href=\"/graph\">Found</a>.\n", "http-prometheus", "http",
		"Prometheus", ""},
	{"http", "HTTP/1.0 200 OK\r\n\r\n<html><head><title>Node Exporter</title></head><body><div>Version: " +
		"(version=1.7.0, branch=HEAD)</div>", "http-exporter-version", "http", "Node Exporter", "1.7.0"},
	{"http", "HTTP/1.0 200 OK\r\n\r\n# HELP go_gc_duration_seconds A summary\n# TYPE go_gc_duration_seconds " +
		"summary\ngo_gc_duration_seconds 1\n", "http-metrics", "http", "Prometheus exporter", ""},
	{"http", "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4; " +
		"charset=utf-8\r\n\r\ngo_gc_duration_seconds 1\n", "http-metrics-type", "http", "Prometheus exporter", ""},
	{"http", "HTTP/1.0 200 OK\r\nContent-Type: text/markdown\r\n\r\n# HELP us with this readme\nHello\n", "http", "http",
		"", ""},
	{"http", "HTTP/1.1 401 Unauthorized\r\nX-elastic-product: Elasticsearch\r\nWWW-Authenticate: Basic " +
		"realm=\"security\"\r\n\r\n{\"error\":{}}", "http-elastic-product", "http", "Elasticsearch", ""},

	// RFC 6762, section 6.
	{"mdns", "\x04\x17\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00\x09_services\x07_dns-sd\x04_udp\x05local\x00\x00\x0c" +
		"\x00\x01\xc0\x0c\x00\x0c\x00\x01\x00\x00\x00\x0a\x00\x0c\x05_http\x04_tcp\xc0\x23", "mdns", "mdns", "", ""},
	// RFC 3411, section 5: enterprise 8072 in the engine's id.
	{"snmp-v3",
		"\x30\x4b\x02\x01\x03\x30\x0f\x02\x04\x41\x70\x04\x17\x02\x02\x05\xdc\x04\x01\x00\x02\x01\x03\x04\x17\x30\x15\x04" +
			"\x09\x80\x00\x1f\x88\x04abcd\x02\x01\x01\x02\x01\x01\x04\x00\x04\x00\x04\x00", "snmp-v3", "snmp", "Net-SNMP", ""},
	// RFC 5905, section 7.4: a kiss of death.
	{"ntp", "\x24\x00\x06\xec\x00\x00\x00\x00\x00\x00\x00\x00RATE\x00\x00\x00\x00\x00\x00\x00\x00onmux417" +
		strings.Repeat("\x00", 16), "ntp", "ntp", "", ""},
	// RFC 8489, sections 5 and 14.14.
	{"stun", "\x01\x01\x00\x00\x21\x12\xa4\x42onmux-417417", "stun", "stun", "", ""},
	{"stun", "\x01\x01\x00\x10\x21\x12\xa4\x42onmux-417417\x80\x22\x00\x0cCoturn-4.5.2", "stun-software", "stun",
		"Coturn", "4.5.2"},
	// RFC 7252, section 4.2: 4.04 to our message.
	{"coap", "\x60\x84\x04\x17", "coap-other", "coap", "", ""},
	// RFC 1002, section 4.2.18.
	{"netbios-ns",
		"\x04\x17\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x00\x00\x21\x00\x01\x00\x00" +
			"\x00\x00\x00\x41\x01SERVER         \x00\x44\x00", "netbios-ns", "netbios-ns", "", ""},
	// UPnP Device Architecture 1.1, section 1.3.3.
	{"ssdp", "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nST: upnp:rootdevice\r\nUSN: uuid:1\r\n\r\n", "ssdp",
		"ssdp", "", ""},
	{"ssdp", "HTTP/1.1 200 OK\r\nSERVER: Linux/5.4 UPnP/1.1 MiniUPnPd/2.2.1\r\nST: upnp:rootdevice\r\n\r\n",
		"ssdp-server", "ssdp", "MiniUPnPd", "2.2.1"},
	// memcached's doc/protocol.txt.
	{"memcached", "\x04\x17\x00\x00\x00\x01\x00\x00ERROR\r\n", "memcached-udp-error", "memcached", "memcached", ""},
	// RFC 7296, section 3.1: INVALID_KE_PAYLOAD; RFC 2408, section 3.1.
	{"ike", "onmux417abcdefgh\x29\x20\x22\x20\x00\x00\x00\x00\x00\x00\x00\x26", "ike-v2", "isakmp", "", ""},
	{"ike", "onmux417abcdefgh\x0b\x10\x05\x00\x00\x00\x00\x01\x00\x00\x00\x28", "ike-v1", "isakmp", "", ""},
	// RFC 2453, section 3.9.
	{"rip", "\x02\x02\x00\x00\x00\x02\x00\x00\xc0\x00\x02\x00\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x10", "rip",
		"rip", "", ""},
	// IPMI 2.0, section 13.2.4.
	{"ipmi", "\x06\x00\xff\x06\x00\x00\x11\xbe\x40\x17\x00\x10\x00\x00\x11\xbe\x00\x00\x00\x00\x81\x00\x00\x00\x00\x00" +
		"\x00\x00", "ipmi", "ipmi", "", ""},
	// RFC 9000, section 17.2.1: version 1 is spoken.
	{"quic", "\xb5\x00\x00\x00\x00\x08src-4170\x08onmux417\x00\x00\x00\x01", "quic", "quic", "", ""},
	// RFC 2865, section 4.2.
	{"radius", "\x02\x17\x00\x14abcdefghijklmnop", "radius", "radius", "", ""},
}

const mmLogin = "\x38\x00\x00\x01\x02\x03\x04\x05\x00\x00\x24\x55\xff\xff\x00\x00\x00\x06\x05alice\x00\x00\x00\x07" +
	"\x06s3cret"

// A NetBIOS name is reported without the spaces that fill it up.
func TestNetBIOSName(t *testing.T) {
	for _, c := range specified {
		if c.rule == "netbios-ns" {
			if s := identify(c.request, []byte(c.reply)); s.Info != "SERVER" {
				t.Errorf("%q", s.Info)
			}
		}
	}
}

// Nothing of a login is reported but that it is one.
func TestLoginIsPrivate(t *testing.T) {
	if s := identify("wait", []byte(mmLogin)); s.Name != "meetingmaker" || string(s.Raw) != mmLogin[:14] ||
		strings.Contains(s.Banner, "alice") {
		t.Errorf("%+v", s)
	}
}

// RFC 1035, section 4.1: the version in class CH, and a refusal of the root.
const (
	dnsmasqVersion = "\x00\x38\x04\x17\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03" +
		"\xc0\x0c\x00\x10\x00\x03\x00\x00\x00\x00\x00\x0e\x0ddnsmasq-2.90 "
	dnsRefused = "\x00\x11\x04\x17\x80\x05\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01"
)

func TestSpecified(t *testing.T) {
	for _, c := range specified {
		check(t, captured{"a specification", c.request, c.rule, c.service, c.product, c.version, c.reply})
	}
	// RFC 868: the seconds since 1900, now and long ago.
	now := binary.BigEndian.AppendUint32(nil, uint32(time.Now().Unix()+2208988800))
	check(t, captured{"RFC 868", "wait", "time", "time", "", "", string(now)})
	check(t, captured{"RFC 868", "wait", "", "unknown", "", "", "\x83\xaa\x7e\x80"})
}

// Every rule has recognised something in one of the tests.
func TestEveryRuleIsTested(t *testing.T) {
	hit := map[string]bool{"time": true}
	for _, g := range firstReplies {
		hit[g.rule] = true
	}
	for _, c := range specified {
		hit[c.rule] = true
	}
	for _, c := range corpus(t) {
		hit[c.rule] = true
	}
	seen := map[string]bool{}
	for _, table := range tables() {
		for _, r := range table {
			if seen[r.Name] {
				t.Errorf("two rules are called %q", r.Name)
			}
			if seen[r.Name] = true; !hit[r.Name] {
				t.Errorf("no answer in the tests is recognised by rule %q", r.Name)
			}
		}
	}
}

// now is the time in seconds since 1970, in four bytes.
func now() string { return string(binary.BigEndian.AppendUint32(nil, uint32(time.Now().Unix()))) }
