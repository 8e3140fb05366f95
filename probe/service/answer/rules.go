package answer

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"onmux/probe"
)

// tables has all rules. A row is added to one of them together with a case in TestRules.
// They are made when the first answer comes: most commands receive none.
var tables = sync.OnceValue(func() [][]Rule { return [][]Rule{greetings(), pages(), replies(), datagramRules()} })

// greetings are what servers send first, or whatever they have received.
func greetings() []Rule {
	return []Rule{
		// ON Technology's calendar server sends exactly these two bytes, then waits.
		{"meetingmaker", "meetingmaker", "Meeting Maker", re(`^\xc1\x2c$`), probe.High, product},
		{"meetingmaker-login", "meetingmaker", "", readMeetingMakerLogin, probe.High, product},

		// RFC 4253, section 4.2: other lines may precede the version line.
		{"ssh", "ssh", "", line("SSH-", `^SSH-(?:1\.\d{1,2}|2\.0)-`), probe.High, protocol},
		{"ssh-openssh", "ssh", "OpenSSH", line("SSH-", `^SSH-(?:1\.\d{1,2}|2\.0)-OpenSSH_(?P<version>[\w.]+)`), probe.High,
			product},
		{"ssh-openssh-windows", "ssh", "OpenSSH for Windows",
			line("SSH-", `^SSH-2\.0-OpenSSH_for_Windows_(?P<version>[\w.]+)`), probe.High, exact},
		{"ssh-dropbear", "ssh", "Dropbear", line("SSH-", `^SSH-2\.0-dropbear(?:_(?P<version>[\w.]+))?`), probe.High, product},
		{"ssh-libssh", "ssh", "libssh", line("SSH-", `^SSH-2\.0-libssh[-_](?P<version>[\w.]+)`), probe.High, product},
		{"ssh-cisco", "ssh", "Cisco SSH", line("SSH-", `^SSH-(?:1\.99|1\.5|2\.0)-Cisco-(?P<version>[\w.]+)`), probe.High,
			product},
		{"ssh-proftpd", "ssh", "ProFTPD mod_sftp", line("SSH-", `^SSH-2\.0-mod_sftp(?:/(?P<version>[\w.]+))?`), probe.High,
			product},
		{"ssh-go", "ssh", "Go x/crypto/ssh", line("SSH-", `^SSH-2\.0-Go\r?(?:\n|$)`), probe.High, product},

		// RFC 5321, section 4.2: 220 and 554 open a session.
		{"smtp", "smtp", "", re(ready + `[^\r\n]*\bE?SMTP\b`), probe.High, protocol},
		{"smtp-refused", "smtp", "", re(`^554[ -][^\r\n]*\r?\n`), probe.Medium, weak},
		{"smtp-exim", "smtp", "Exim", re(ready + `\S+ ESMTP Exim (?P<version>\d[\w.]*)`), probe.High, product},
		{"smtp-postfix", "smtp", "Postfix", re(ready + `[^\r\n]*\bESMTP Postfix\b`), probe.High, product},
		{"smtp-sendmail", "smtp", "Sendmail", re(ready + `\S+ ESMTP Sendmail (?P<version>\d[\w.]*)`), probe.High, product},
		{"smtp-opensmtpd", "smtp", "OpenSMTPD", re(ready + `\S+ ESMTP OpenSMTPD`), probe.High, product},
		{"smtp-exchange", "smtp", "Microsoft Exchange", re(ready + `[^\r\n]*\bMicrosoft ESMTP MAIL Service\b`), probe.High,
			product},
		{"lmtp", "lmtp", "", re(ready + `[^\r\n]*\bLMTP\b`), probe.High, protocol},
		{"lmtp-dovecot", "lmtp", "Dovecot", re(ready + `\S+ Dovecot\b[^\r\n]* ready`), probe.High, product},

		// RFC 5321, section 4.1.1.1: after any greeting; RFC 2034: the codes of SMTP alone; RFC 5321, section 4.1.1.8.
		{"smtp-ehlo", "smtp", "", to(re(greeted+`250[ -]`), "smtp-ehlo"), probe.High, protocol},
		{"smtp-status", "smtp", "", re(greeted + `[245]\d\d[ -][245]\.\d{1,3}\.\d{1,3} `), probe.High, protocol},
		{"smtp-help", "smtp", "", to(re(`(?s)`+greeted+`214[ -].*\b(?:EHLO|HELO)\b`), "ftp-help"), probe.High, protocol},
		// RFC 5321, section 4.2.3, and RFC 959, section 4.2.1: the channel that each of them names.
		{"smtp-busy", "smtp", "", re(`^421[ -][^\r\n]*(?i:closing transmission channel)`), probe.Medium, protocol},
		{"ftp-busy", "ftp", "", re(`^421[ -][^\r\n]*(?i:closing control connection)`), probe.Medium, protocol},

		// RFC 959, section 5.4.
		{"ftp", "ftp", "", re(ready + `[^\r\n]*\b(?i:ftpd?)\b`), probe.High, protocol},
		// Its reply codes 120 and 220 as section 4.2.2 has them; 530 is vsftpd's answer to anything;
		// SMTP's would have a code of RFC 2034 behind it.
		{"ftp-soon", "ftp", "", re(`^120[ -][^\r\n]*\r?\n(?:$|[12]20[ -])`), probe.Medium, weak},
		{"ftp-new-user", "ftp", "", re(ready + `(?i:service ready for new user)\b`), probe.High, protocol},
		{"ftp-login", "ftp", "", re(greeted + `530[ -](?:[^5]|5[^.])`), probe.High, protocol},
		{"ftp-help", "ftp", "", to(re(`(?s)`+greeted+`214[ -].*\b(?:RETR|PASV|CWD)\b`), "ftp-help"), probe.High, protocol},
		{"ftp-vsftpd", "ftp", "vsftpd", re(ready + `\(vsFTPd (?P<version>[\w.+]+)\)`), probe.High, product},
		{"ftp-proftpd", "ftp", "ProFTPD", re(ready + `ProFTPD (?:(?P<version>\d[\w.]*) )?Server`), probe.High, product},
		{"ftp-pure-ftpd", "ftp", "Pure-FTPd", re(`^220-+ Welcome to Pure-FTPd`), probe.High, product},
		{"ftp-filezilla", "ftp", "FileZilla Server", re(`^220-FileZilla Server (?P<version>\d[\w.]*)`), probe.High, product},
		{"ftp-pyftpdlib", "ftp", "pyftpdlib", re(ready + `pyftpdlib (?P<version>\d[\w.]*)`), probe.High, product},
		{"ftp-microsoft", "ftp", "Microsoft FTP Service", re(ready + `Microsoft FTP Service`), probe.High, product},

		// RFC 1939, section 4; an APOP timestamp (section 7) is as good as the name.
		{"pop3", "pop3", "", re(`^\+OK\b[^\r\n]*\r?\n`), probe.Medium, weak},
		{"pop3-named", "pop3", "", re(`^\+OK [^\r\n]*(?:\bPOP3?\b|<[^<>@\s]+@[^<>@\s]+>)`), probe.High, protocol},
		{"pop3-dovecot", "pop3", "Dovecot", re(`^\+OK (?:\[[^\]\r\n]*\] )?Dovecot\b`), probe.High, product},

		// RFC 9051, section 7.1.
		{"imap", "imap", "", re(`^\* (?:OK|PREAUTH|BYE)\b[^\r\n]*\r?\n`), probe.High, protocol},
		{"imap-dovecot", "imap", "Dovecot", re(`^\* (?:OK|PREAUTH) (?:\[[^\]\r\n]*\] )?Dovecot\b`), probe.High, product},
		{"imap-cyrus", "imap", "Cyrus IMAP", re(`^\* OK (?:\[[^\]\r\n]*\] )?\S+ Cyrus IMAP4? v?(?P<version>\d[\w.]*)`),
			probe.High, product},
		{"imap-courier", "imap", "Courier-IMAP", re(`^\* OK (?:\[[^\]\r\n]*\] )?Courier-IMAP ready`), probe.High, product},
		{"imap-exchange", "imap", "Microsoft Exchange", re(`^\* OK The Microsoft Exchange IMAP4 service is ready`),
			probe.High, product},

		// RFC 5804, section 1.7.
		{"sieve", "sieve", "", re(`^"IMPLEMENTATION" "(?P<product>[^"\r\n]+)"`), probe.High, protocol},
		{"sieve-late", "sieve", "", re(`^"[A-Z]+"[^\r\n]*\r?\n(?:"[^\r\n]*\r?\n)*"IMPLEMENTATION" "(?P<product>[^"\r\n]+)"`),
			probe.High, protocol},

		// RFC 3977, section 5.1.
		{"nntp", "nntp", "", re(`^20[01][ -][^\r\n]*\b(?i:NNTP|NNRP|InterNetNews|news)\b`), probe.High, protocol},
		{"nntp-posting", "nntp", "", re(`^20[01] [^\r\n]*\b(?i:posting|no post)\b`), probe.High, protocol},
		{"nntp-capabilities", "nntp", "", to(re(`^20[01][ -][^\r\n]*\r?\n101[ -][^\r\n]*\r?\nVERSION \d`),
			"nntp-capabilities"), probe.High, protocol},
		{"nntp-implementation", "nntp", "",
			to(re(`^20[01][ -][^\r\n]*\r?\n101[ -](?:[^\r\n]*\r?\n)+?IMPLEMENTATION (?P<product>[A-Za-z][\w-]*)(?: `+
				`(?P<version>\d[\w.]*))?`), "nntp-capabilities"), probe.High, product},
		{"nntp-inn", "nntp", "INN", re(`^20[01] \S+ InterNetNews (?:NNRP )?server INN (?P<version>\d[\w.]*)`), probe.High,
			product},

		// RFC 2812, section 3; the greeting is custom.
		{"irc", "irc", "", re(`^(?::\S+ )?NOTICE (?:AUTH|\*|Auth) :`), probe.High, protocol},
		{"irc-numeric", "irc", "", re(`^:[^ :\r\n]+ \d{3} [^ \r\n]+ (?:[A-Z]{2,10} )?:`), probe.High, protocol},
		{"irc-error", "irc", "",
			re(`^ERROR :(?:Closing Link|Your host|Trying to reconnect|Access denied)`), probe.Medium, protocol},

		// RFC 6143, section 7.1.1.
		{"vnc", "vnc", "", re(`^RFB \d{3}\.\d{3}\n`), probe.High, protocol},
		// Section 7.1.2, before any handshake: TigerVNC's to an address whose connections it has counted as failed.
		{"vnc-refused", "vnc", "", re(`(?s)^RFB \d{3}\.\d{3}\n\x00{4}\x00{2}..(?P<info>[ -~]{4,200})$`), probe.High, exact},
		{"vnc-apple", "vnc", "Apple Remote Desktop", re(`^RFB 003\.889\n`), probe.High, product},

		// MySQL client/server protocol: u24 length, sequence 0, protocol 10, version.
		{"mysql", "mysql", "", re(`(?s)^..\x00\x00\x0a(?P<version>\d[ -~]{0,60})\x00`), probe.High, protocol},
		{"mysql-mysql", "mysql", "MySQL",
			re(`(?s)^..\x00\x00\x0a(?P<version>[5-9]\.\d{1,2}\.\d{1,3}(?:-[\w.+~-]{0,40})?)\x00`), probe.Medium, product},
		{"mysql-mariadb", "mysql", "MariaDB",
			re(`(?s)^..\x00\x00\x0a(?:5\.5\.5-)?(?P<version>\d{1,2}\.\d{1,2}\.\d{1,3})-MariaDB`), probe.High, exact},
		{"mysql-refused", "mysql", "", re(`(?s)^..\x00\x00\xff..(?:#[0-9A-Z]{5})?[ -~]*\b(?P<product>MySQL|MariaDB) server`),
			probe.High, protocol},

		// MySQL error messages reference: 1040 too many connections, 1129 host is blocked, 1203 and 1226 limits.
		{"mysql-error", "mysql", "", readMySQLError, probe.High, protocol},
		{"mysql-proxysql", "mysql", "ProxySQL",
			re(`(?s)^..\x00\x00\x0a(?P<version>\d[\w.]*)[ -](?i:\(?proxysql\)?)[^\x00]*\x00`), probe.High, exact},
		{"mysql-maxscale", "mysql", "MaxScale",
			re(`(?s)^..\x00\x00\x0a[ -~]* (?P<version>\d[\d.]*)-maxscale\x00`), probe.High, exact},

		// The version in a greeting of rsync or MPD is that of the protocol.
		{"rsync", "rsync", "rsync", re(`^@RSYNCD: \d{1,3}(?:\.\d+)?[ \n]`), probe.High, product},
		{"mpd", "mpd", "Music Player Daemon", re(`^OK MPD \d+\.\d+`), probe.High, product},

		// RFC 854: IAC, WILL to DONT, an option. Three bytes alone may be chance.
		{"telnet-one", "telnet", "", re(`(?s)^\xff[\xfb-\xfe][\x00-\x31]`), probe.Medium, weak},
		{"telnet", "telnet", "", re(`(?s)^(?:\xff[\xfb-\xfe].){2}`), probe.High, protocol},

		{"nats", "nats", "NATS", re(`^INFO \{[^\r\n]*"version":"(?P<version>[\w.+-]+)"`), probe.High, product},
		{"svn", "svn", "Subversion", re(`^\( success \( \d+ \d+ \( `), probe.High, product},
		{"dict", "dict", "dictd", re(ready + `\S+ dictd (?P<version>\d[\w.]*)`), probe.High, product},
		{"asterisk-manager", "asterisk-manager", "Asterisk", re(`^Asterisk Call Manager/\d`), probe.High, product},
		{"freeswitch-event", "freeswitch-event", "FreeSWITCH", re(`^Content-Type: auth/request\n\n`), probe.High, product},
		{"openvpn-management", "openvpn-management", "OpenVPN", re(`^>INFO:OpenVPN Management Interface Version \d`),
			probe.High, product},
		{"vmware-auth", "vmware-auth", "VMware Authentication Daemon",
			re(ready + `VMware Authentication Daemon Version (?P<version>\d[\w.]*)`), probe.High, product},
		{"gpsd", "gpsd", "gpsd", re(`^\{"class":"VERSION","release":"(?P<version>\d[\w.~+-]*)`), probe.High, product},
		{"mysqlx", "mysqlx", "MySQL", re(`^\x05\x00\x00\x00\x0b\x08\x05\x1a\x00`), probe.High, product},
		{"nbd", "nbd", "", re(`^NBDMAGIC(?:IHAVEOPT|\x00\x00\x42\x02\x81\x86\x12\x53)`), probe.High, protocol},
		{"ceph", "ceph", "Ceph", re(`^ceph v(?:2\n|027)`), probe.High, product},
		{"tarantool", "tarantool", "Tarantool", re(`^Tarantool (?P<version>\d[\w.~+-]*) \((?:Binary|Lua console)\)`),
			probe.High, product},
		{"munin-node", "munin-node", "Munin", re(`^# munin node at (?P<info>[^\s]+)\r?\n`), probe.High, product},
		{"munin-node-version", "munin-node", "Munin",
			re(`^# munin node at [^\n]*\n(?:[^\n]*\n)?munins node on (?P<info>\S+) version: (?P<version>\d[\w.]*)`), probe.High,
			exact},
		// varnish-cli(7): status and length in 13 characters; 107 asks for authentication, 200 is open to anyone.
		{"varnish-cli", "varnish-cli", "Varnish", re(`^107 59 {6}\n[a-z]{32}\n\nAuthentication required\.\n`), probe.High,
			product},
		{"varnish-cli-open", "varnish-cli", "Varnish",
			re(`^200 \d{1,8} *\n-+\nVarnish Cache CLI [\d.]+\n-+\n(?:[^\n]*\n){0,3}?varnish-(?P<version>\d[\w.]*)`), probe.High,
			product},
		{"irc-bitlbee", "irc", "BitlBee", re(`^:\S+ NOTICE \* :BitlBee-IRCd initialized`), probe.High, product},
		{"irc-ngircd", "irc", "ngIRCd", re(`^ERROR :"Oops, HTTP request received\? This is IRC!"`), probe.High, product},
		{"irc-inspircd", "irc", "InspIRCd", re(`^ERROR :Closing link: \([^\r\n]*\) \[`), probe.Medium, product},

		// Mumble's protocol documentation, "Version": type 0, length, then release and system as strings.
		{"mumble", "mumble", "Murmur", re(`(?s)^\x00\x00\x00\x00\x00[\x08-\xff]\x08.{2,5}\x12.` +
			`(?P<version>\d+\.\d+\.\d+)[^\x1a]{0,40}\x1a`), probe.High, product},

		{"ganglia", "ganglia", "Ganglia", re(`(?s)^<\?xml [^>]*>\s*<!DOCTYPE GANGLIA_XML \[`), probe.High, product},
		{"ganglia-version", "ganglia", "Ganglia",
			re(`(?s)^<\?xml [^>]*>\s*<!DOCTYPE GANGLIA_XML \[.*?<GANGLIA_XML VERSION="(?P<version>\d[\w.]*)"`), probe.High,
			exact},
		{"bzflag", "bzflag", "BZFlag", re(`^BZFS\d{4}\r\n\r\n$`), probe.High, product},
		{"i2p-bob", "i2p-bob", "", re(`^BOB \d\d\.\d\d\.\d\d\nOK\n$`), probe.High, protocol},
		{"nsca", "nsca", "NSCA", readNSCA, probe.High, protocol},

		// RFC 864: lines of 72 characters, each the next of the last.
		{"chargen", "chargen", "", readChargen, probe.High, protocol},
	}
}

// ready is the first reply of SMTP, FTP and similar protocols, up to its last line or
// any of those before it (RFC 959, section 4.2).
const ready = `^(?:220-[^\r\n]*\r?\n)*220[ -]`

// greeted is the greeting before the answer to a request of those protocols.
const greeted = ready + `[^\r\n]*\r?\n`

// hints are greetings that several protocols begin with: they name none, but the requests
// of those services are then sent; on the usual port of one, they name it.
var hints = sync.OnceValue(hintRules)

func hintRules() []Rule {
	return []Rule{
		// RFC 5321 and RFC 959, sections 4.2.
		{"smtp-reply", "smtp", "", re(`^(?:220|421|554)[ -][^\r\n]*\r?\n`), probe.Medium, weak},
		{"ftp-reply", "ftp", "", re(`^(?:120|220|421)[ -][^\r\n]*\r?\n`), probe.Medium, weak},
		// RFC 3977, section 5.1.
		{"nntp-reply", "nntp", "", re(`^(?:20[01]|400|502)[ -][^\r\n]*\r?\n`), probe.Medium, weak},
	}
}

// re is a matcher by pattern, compiled when it is first compared with an answer: most
// runs receive none. `\x00` to `\xff` in it are bytes; `(?s)` lets a dot
// be any of them. The groups "product", "version" and "info" are facts.
func re(pattern string) matcher {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
	return func(a *Answer) (Facts, bool) {
		p := compiled()
		groups := p.FindStringSubmatch(a.Text)
		if groups == nil {
			return Facts{}, false
		}
		group := func(name string) string {
			if i := p.SubexpIndex(name); i >= 0 {
				return bytesOf(groups[i])
			}
			return ""
		}
		return Facts{Product: group("product"), Version: group("version"), Info: group("info")}, true
	}
}

// line matches from the first line on that begins with prefix: others may come
// before it. To search by pattern would cost a hundred times as much.
func line(prefix, pattern string) matcher {
	m := re(pattern)
	return func(a *Answer) (Facts, bool) {
		text := a.Text
		if !strings.HasPrefix(text, prefix) {
			i := strings.Index(text, "\n"+prefix)
			if i < 0 {
				return Facts{}, false
			}
			text = text[i+1:]
		}
		return m(&Answer{Text: text})
	}
}

// to compares an answer with m only if it answers one of the requests: for replies so plain
// that other services may send them too.
func to(m matcher, requests ...string) matcher {
	return func(a *Answer) (Facts, bool) {
		if !slices.Contains(requests, a.Request) {
			return Facts{}, false
		}
		return m(a)
	}
}
