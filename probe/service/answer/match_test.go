package answer

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode"

	"onmux/probe"
	"onmux/probe/request"
)

// firstReplies are what servers send first, as recorded or as their sources and RFCs have
// it, and what must be made of it: rule, service, product, version.
var firstReplies = []struct{ reply, rule, service, product, version string }{
	{"\xc1\x2c", "meetingmaker", "meetingmaker", "Meeting Maker", ""},
	{"\xc1\x2c\x00", "", "unknown", "", ""},
	{"\xc1", "", "unknown", "", ""},
	{"SSH-2.0-RomSShell_4.31\r\n", "ssh", "ssh", "", ""},
	{"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n", "ssh-openssh", "ssh", "OpenSSH", "9.2p1"},
	{"No entry.\r\nSSH-2.0-OpenSSH_8.0\r\n", "ssh-openssh", "ssh", "OpenSSH", "8.0"},
	{"SSH-2.0-OpenSSH_for_Windows_9.5\r\n", "ssh-openssh-windows", "ssh", "OpenSSH for Windows", "9.5"},
	{"SSH-2.0-dropbear_2022.83\r\n\x00\x00", "ssh-dropbear", "ssh", "Dropbear", "2022.83"},
	{"SSH-2.0-dropbear\r\n", "ssh-dropbear", "ssh", "Dropbear", ""},
	{"SSH-2.0-libssh_0.10.6\r\n", "ssh-libssh", "ssh", "libssh", "0.10.6"},
	{"SSH-1.99-Cisco-1.25\n", "ssh-cisco", "ssh", "Cisco SSH", "1.25"},
	{"SSH-2.0-mod_sftp/1.3.8b\r\n", "ssh-proftpd", "ssh", "ProFTPD mod_sftp", "1.3.8b"},
	{"SSH-2.0-Go\r\n", "ssh-go", "ssh", "Go x/crypto/ssh", ""},
	{"220 mx.example.net ESMTP\r\n", "smtp", "smtp", "", ""},
	{"554 mx.example.net no service for you\r\n", "smtp-refused", "smtp", "", ""},
	{"220 mx.example.net ESMTP Exim 4.96 Mon, 01 Jan 2024 00:00:00 +0000\r\n", "smtp-exim", "smtp", "Exim", "4.96"},
	{"220 mx.example.net ESMTP Postfix (Debian/GNU)\r\n", "smtp-postfix", "smtp", "Postfix", ""},
	{"220-hold the line\r\n220 mx.example.net ESMTP\r\n", "smtp", "smtp", "", ""},
	{"220 mx.example.net ESMTP Sendmail 8.17.1/8.17.1; Mon, 1 Jan 2024\r\n", "smtp-sendmail", "smtp", "Sendmail",
		"8.17.1"},
	{"220 mx.example.net ESMTP OpenSMTPD\r\n", "smtp-opensmtpd", "smtp", "OpenSMTPD", ""},
	{"220 ex.example.net Microsoft ESMTP MAIL Service ready at Mon\r\n", "smtp-exchange", "smtp", "Microsoft Exchange",
		""},
	{"220 mx.example.net LMTP ready\r\n", "lmtp", "lmtp", "", ""},
	{"220 mx.example.net Dovecot (Debian) ready.\r\n", "lmtp-dovecot", "lmtp", "Dovecot", ""},
	{"220 ftp.example.net FTP server ready.\r\n", "ftp", "ftp", "", ""},
	{"220 (vsFTPd 3.0.3)\r\n", "ftp-vsftpd", "ftp", "vsftpd", "3.0.3"},
	{"220 ProFTPD Server (Debian) [::ffff:10.0.0.1]\r\n", "ftp-proftpd", "ftp", "ProFTPD", ""},
	{"220 ProFTPD 1.3.5e Server (Debian) [10.0.0.1]\r\n", "ftp-proftpd", "ftp", "ProFTPD", "1.3.5e"},
	{"220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------\r\n", "ftp-pure-ftpd", "ftp", "Pure-FTPd", ""},
	{"220-FileZilla Server 1.8.1\r\n220 ok\r\n", "ftp-filezilla", "ftp", "FileZilla Server", "1.8.1"},
	{"220 pyftpdlib 1.5.9 ready.\r\n", "ftp-pyftpdlib", "ftp", "pyftpdlib", "1.5.9"},
	{"220 Microsoft FTP Service\r\n", "ftp-microsoft", "ftp", "Microsoft FTP Service", ""},
	{"+OK ready\r\n", "pop3", "pop3", "", ""},
	{"+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n", "pop3-named", "pop3", "", ""},
	{"+OK Dovecot (Debian) ready.\r\n", "pop3-dovecot", "pop3", "Dovecot", ""},
	{"* OK IMAP4rev1 Service Ready\r\n", "imap", "imap", "", ""},
	{"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS STARTTLS] Dovecot (Debian) ready.\r\n", "imap-dovecot", "imap",
		"Dovecot", ""},
	{"* OK [CAPABILITY IMAP4rev1 ID] mail.example.net Cyrus IMAP 3.6.1-Debian server ready\r\n", "imap-cyrus", "imap",
		"Cyrus IMAP", "3.6.1"},
	{"* OK [CAPABILITY IMAP4rev1] Courier-IMAP ready. Copyright 1998-2022\r\n", "imap-courier", "imap", "Courier-IMAP",
		""},
	{"* OK The Microsoft Exchange IMAP4 service is ready.\r\n", "imap-exchange", "imap", "Microsoft Exchange", ""},
	{"\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n\"SIEVE\" \"fileinto\"\r\nOK\r\n", "sieve", "sieve",
		"Dovecot Pigeonhole", ""},
	{"\"SIEVE\" \"fileinto\"\r\n\"IMPLEMENTATION\" \"Example\x1b1\"\r\nOK\r\n", "sieve-late", "sieve", `Example\x1b1`, ""},
	{"200 news.example.net NNTP ready\r\n", "nntp", "nntp", "", ""},
	{"200 news.example.net InterNetNews NNRP server INN 2.7.1 ready (posting ok)\r\n", "nntp-inn", "nntp", "INN", "2.7.1"},
	{"200 server ready, posting allowed\r\n", "nntp-posting", "nntp", "", ""},
	{"421 mx1.example.net Service not available, closing transmission channel\r\n", "smtp-busy", "smtp", "", ""},
	{"421 Service not available, closing control connection.\r\n", "ftp-busy", "ftp", "", ""},
	{"421 Too many connections\r\n", "", "unknown", "", ""},
	{"220 Service ready for new user.\r\n", "ftp-new-user", "ftp", "", ""},
	{"120 Service ready in 5 minutes\r\n220 ready\r\n", "ftp-soon", "ftp", "", ""},
	{"* BYE Too many connections\r\n", "imap", "imap", "", ""},
	{":irc.invalid 451 * :Connection not registered\r\n", "irc-numeric", "irc", "", ""},
	{":irc.example.net 001 onmux :Welcome\r\n", "irc-numeric", "irc", "", ""},
	{":a 2 3\r\n", "", "unknown", "", ""},
	{":irc.example.net NOTICE AUTH :*** Looking up your hostname...\r\n", "irc", "irc", "", ""},
	{"NOTICE * :*** Checking ident\r\n", "irc", "irc", "", ""},
	{"ERROR :Closing Link: 10.0.0.1 (Throttled)\r\n", "irc-error", "irc", "", ""},
	{"RFB 003.008\n", "vnc", "vnc", "", ""},
	{"RFB 003.889\n", "vnc-apple", "vnc", "Apple Remote Desktop", ""},
	{"\x5b\x00\x00\x00\x0a3.23.58\x00\x01", "mysql", "mysql", "", "3.23.58"},
	{"\x4a\x00\x00\x00\x0a8.0.36-0ubuntu0.22.04.1\x00\x0b\x00", "mysql-mysql", "mysql", "MySQL",
		"8.0.36-0ubuntu0.22.04.1"},
	{"\x5b\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB-0+deb12u1\x00\x1f", "mysql-mariadb", "mysql", "MariaDB", "10.11.6"},
	{"\x5b\x00\x00\x00\x0a11.8.2-MariaDB-1\x00\x1f", "mysql-mariadb", "mysql", "MariaDB", "11.8.2"},
	{"\x45\x00\x00\x00\xff\x6a\x04Host '10.0.0.1' is not allowed to connect to this MariaDB server", "mysql-refused",
		"mysql", "MariaDB", ""},
	{"@RSYNCD: 31.0 sha512 sha256 md5\n", "rsync", "rsync", "rsync", ""},
	{"OK MPD 0.23.5\n", "mpd", "mpd", "Music Player Daemon", ""},
	{"\xff\xfd\x18", "telnet-one", "telnet", "", ""},
	{"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27", "telnet", "telnet", "", ""},
	{"INFO {\"server_id\":\"NA\",\"version\":\"2.10.7\",\"proto\":1}\r\n", "nats", "nats", "NATS", "2.10.7"},
	{"( success ( 2 2 ( ) ( edit-pipeline svndiff1 ) ) ) ", "svn", "svn", "Subversion", ""},
	{"220 dict.example.net dictd 1.13.1/rf on Linux 6.1 <auth.mime> <1.2@x>\r\n", "dict", "dict", "dictd", "1.13.1"},
	{"Asterisk Call Manager/9.0.0\r\n", "asterisk-manager", "asterisk-manager", "Asterisk", ""},
	{"Content-Type: auth/request\n\n", "freeswitch-event", "freeswitch-event", "FreeSWITCH", ""},
	{">INFO:OpenVPN Management Interface Version 5 -- type 'help' for more info\r\n", "openvpn-management",
		"openvpn-management", "OpenVPN", ""},
	{"220 VMware Authentication Daemon Version 1.10: SSL Required\r\n", "vmware-auth", "vmware-auth",
		"VMware Authentication Daemon", "1.10"},
	{"NBDMAGICIHAVEOPT\x00\x03", "nbd", "nbd", "", ""},
	{"ceph v2\n\x10\x00", "ceph", "ceph", "Ceph", ""},
	{" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n", "chargen", "chargen", "", ""},
	{"220 welcome\r\n", "", "unknown", "", ""},
	{"HTTP/1.1 600 Bad Request\r\n", "", "unknown", "", ""},
	{"HTTP/1.1 400 Bad Request\r\n", "http", "http", "", ""},
	{"HTTP/1.0 400 Bad Request\r\nServer: tinyproxy/1.11.1\r\n\r\n", "http-proxy-tinyproxy", "http-proxy", "Tinyproxy",
		"1.11.1"},
	{"\x15\x03\x01\x00\x02\x02\x28", "tls-alert", "tls", "", ""},
	{"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", "tls-server-hello", "tls", "", ""},
	{"-ERR wrong number of arguments for 'get' command\r\n", "redis-error", "redis", "", ""},
	{"$38\r\n# Server\r\nredis_version:7.0.15\r\n\r\n", "redis-info", "redis", "Redis", "7.0.15"},
	{"$58\r\n# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.1.1\r\n\r\n", "redis-info-valkey", "redis", "Valkey",
		"8.1.1"},
	{"ERROR\r\nERROR\r\n", "memcached-error", "memcached", "", ""},
	{"VERSION 1.6.18\r\n", "memcached-version", "memcached", "memcached", "1.6.18"},
	{"\x00\xff\xfe", "", "unknown", "", ""},
}

func TestRules(t *testing.T) {
	for _, g := range firstReplies {
		s := identify("wait", []byte(g.reply))
		if s.Rule != g.rule || s.Name != g.service || s.Product != g.product || s.Version != g.version {
			t.Errorf("%q: rule %q, service %q, product %q, version %q; want %q, %q, %q, %q",
				g.reply, s.Rule, s.Name, s.Product, s.Version, g.rule, g.service, g.product, g.version)
		}
		if (s.Confidence == "") != (g.rule == "") || s.Probe != "wait" ||
			string(s.Raw) != g.reply[:min(len(g.reply), RawSize)] {
			t.Errorf("%q: confidence %q, probe %q, raw %q", g.reply, s.Confidence, s.Probe, s.Raw)
		}
	}
}

func TestEscape(t *testing.T) {
	for _, tt := range []struct {
		in    string
		limit int
		want  string
	}{
		{"ok\r\n\t\\\"", 99, `ok\r\n\t\\"`},
		{"\x1b[31m\x9b\x7f\x00é", 99, `\x1b[31m\x9b\x7f\x00\xc3\xa9`},
		{"ab\x00", 5, `ab`},
		{"ab\x00", 6, `ab\x00`},
		{"ab\x00c", 3, `ab`},
	} {
		if got := escape([]byte(tt.in), tt.limit); got != tt.want {
			t.Errorf("escape(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

// What people wrote stays readable; what would act on a terminal does not.
func TestSafe(t *testing.T) {
	for _, tt := range []struct {
		in    string
		limit int
		want  string
	}{
		{"Überblick – Größe 日本 e\u0301", 99, "Überblick – Größe 日本 e\u0301"},
		{"a\u202eb\u200bc\u0085\ue000", 99, `a\xe2\x80\xaeb\xe2\x80\x8bc\xc2\x85\xee\x80\x80`},
		{"\xdcber \x1b[2J\\", 99, `\xdcber \x1b[2J\\`},
		{"\ufffd", 99, "\ufffd"},
		{"aÜb", 2, "a"},
		{"aÜb", 3, "aÜ"},
		{"\u200b", 11, ""},
	} {
		if got := Printable(tt.in, tt.limit); got != tt.want {
			t.Errorf("safe(%q, %d) = %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

// Whatever a peer sends, in answer to whatever request, what is reported is bounded,
// printable, and a prefix of what it sent.
func FuzzIdentify(f *testing.F) {
	requests := slices.Concat(opening(), request.TCP(), request.UDP())
	for _, g := range firstReplies {
		f.Add(byte(0), []byte(g.reply))
	}
	for i, q := range requests {
		for _, c := range corpus(f) {
			if c.request == q.Name {
				f.Add(byte(i), []byte(c.reply))
			}
		}
		for _, c := range specified {
			if c.request == q.Name {
				f.Add(byte(i), []byte(c.reply))
			}
		}
	}
	f.Add(byte(0), bytes.Repeat([]byte{0x1b}, 5000))
	f.Add(byte(0), []byte("SSH-2.0-OpenSSH_"+strings.Repeat("9", 5000)))
	f.Fuzz(func(t *testing.T, n byte, b []byte) {
		s := identify(requests[int(n)%len(requests)].Name, b)
		if s.Name == "" || s.Info == "" && s.Name == "unknown" || s.Name == "unknown" &&
			(s.Rule != "" || s.Product != "" || s.Confidence != "") {
			t.Errorf("%q: %+v", b, s)
		}
		for what, limited := range map[string]struct {
			s     string
			limit int
		}{"banner": {s.Banner, bannerSize}, "product": {s.Product, NameSize}, "version": {s.Version,
			NameSize}, "info": {s.Info, infoSize}} {
			if len(limited.s) > limited.limit || strings.ContainsFunc(limited.s,
				func(r rune) bool { return !unicode.IsPrint(r) || what == "banner" && r > '~' }) {
				t.Errorf("%q: %s %q", b, what, limited.s)
			}
		}
		if !bytes.HasPrefix(b, s.Raw) || len(s.Raw) != min(len(b), RawSize) && len(s.Raw) != secretAfter[s.Rule] {
			t.Errorf("%q: raw %q", b, s.Raw)
		}
		if s.Confidence != "" && s.Confidence != probe.High && s.Confidence != probe.Medium && s.Confidence != probe.Low {
			t.Errorf("confidence %q", s.Confidence)
		}
	})
}

// identify names the service from b, the answer to the request of that name.
// It never returns nil.
func identify(request string, b []byte) *probe.Service {
	a := New(request, nil, b)
	m, _ := Recognise(a)
	m.Answer = a
	return m.Report()
}
