package answer

import (
	"encoding/binary"
	"regexp"
	"strings"
	"sync"

	"onmux/probe"
)

// startTLSList is how a service lists what it can do: where the list is, and how STARTTLS is
// written in it.
type startTLSList struct {
	list     string // matches an answer that has the list
	offered  string // of such an answer
	required string // likewise; "" is never
}

// startTLSLists: RFC 3207, section 4; RFC 9051, sections 6.1.1 and 7.1; RFC 2595, section 4; RFC
// 4217, section 4 with RFC 2389; RFC 4642, section 2.2; RFC 6120, section 5.4.1; RFC 5804, section
// 1.7.
var startTLSLists = map[string]startTLSList{
	"smtp": {list: greeted + `(?:250-[^\r\n]*\r?\n)*250 `, offered: `(?i)\n250[ -]STARTTLS\b`,
		required: `\n530[ -]5\.7\.0 `},
	"lmtp": {list: greeted + `(?:250-[^\r\n]*\r?\n)*250 `, offered: `(?i)\n250[ -]STARTTLS\b`},
	"imap": {list: `(?i)^\* (?:OK|PREAUTH|BYE) \[CAPABILITY |\n\* CAPABILITY `,
		offered:  `(?i)CAPABILITY [^\]\r\n]*\bSTARTTLS\b`,
		required: `(?i)CAPABILITY [^\]\r\n]*\bLOGINDISABLED\b`},
	"pop3": {list: `(?i)^\+OK[^\r\n]*\r?\n\+OK[^\r\n]*\r?\n(?:[^\r\n]*\r?\n)*\.\r?\n`, offered: `(?i)\nSTLS\r?\n`},
	"ftp": {list: greeted + `(?s:.*)(?:211-[^\r\n]*\r?\n|211 |500 |502 |530 )`, offered: `(?i)\n ?AUTH[^\r\n]*\bTLS\b`,
		required: `(?i)\n5\d\d[ -][^\r\n]*\b(?:TLS|SSL)\b[^\r\n]*\brequired\b`},
	"nntp": {list: `^20[01][ -][^\r\n]*\r?\n101[ -]`, offered: `(?i)\nSTARTTLS\r?\n`},
	"xmpp": {list: `<stream:features[ >/]`, offered: `<starttls `, required: `<starttls [^>]*>\s*<required`},
	"sieve": {list: `(?i)"IMPLEMENTATION"[^\n]*\n(?:[^\n]*\n)*OK\b|(?i)^(?:"[^\n]*\n)+OK\b`,
		offered: `(?im)^"STARTTLS"`},
}

// compiledLists has startTLSLists ready for use.
var compiledLists = sync.OnceValue(func() map[string][3]*regexp.Regexp {
	all := make(map[string][3]*regexp.Regexp)
	for service, l := range startTLSLists {
		entry := [3]*regexp.Regexp{regexp.MustCompile(l.list), regexp.MustCompile(l.offered)}
		if l.required != "" {
			entry[2] = regexp.MustCompile(l.required)
		}
		all[service] = entry
	}
	return all
})

// StartTLS reports whether a session of the service can change to TLS, by the list of what the
// server can do in one of its answers; nil if none has the list, or the protocol has no such
// change.
func StartTLS(service string, answers []*Answer) *probe.StartTLS {
	for _, a := range answers {
		if s := startTLSOf(service, a); s != nil {
			return s
		}
	}
	return nil
}

func startTLSOf(service string, a *Answer) *probe.StartTLS {
	switch service {
	case "mysql":
		return mysqlTLS(a)
	case "postgresql":
		if a.Request != "postgresql" || len(a.Bytes) == 0 || a.Bytes[0] != 'S' && a.Bytes[0] != 'N' {
			return nil
		}
		return &probe.StartTLS{Offered: a.Bytes[0] == 'S'}
	case "ldap":
		if a.Request != "ldap" || !strings.Contains(a.Text, "\x02\x01\x07\x64") {
			return nil
		}
		return &probe.StartTLS{Offered: strings.Contains(a.Text, ldapStartTLS)}
	}
	l, ok := compiledLists()[service]
	if !ok || !l[0].MatchString(a.Text) {
		return nil
	}
	s := &probe.StartTLS{Offered: l[1].MatchString(a.Text)}
	s.Required = s.Offered && l[2] != nil && l[2].MatchString(a.Text)
	return s
}

// ldapStartTLS is the extended operation (RFC 4511, section 4.14.1), a value of supportedExtension.
const ldapStartTLS = "1.3.6.1.4.1.1466.20037"

// clientSSL is the capability of MySQL's greeting (client/server protocol, "HandshakeV10").
const clientSSL = 0x0800

// mysqlTLS reads the capabilities behind the version, the thread, eight bytes of salt and a zero.
func mysqlTLS(a *Answer) *probe.StartTLS {
	b := a.Bytes
	if len(b) < 5 || b[3] != 0 || b[4] != 10 {
		return nil
	}
	_, rest, ok := strings.Cut(string(b[5:]), "\x00")
	if !ok || len(rest) < 15 {
		return nil
	}
	return &probe.StartTLS{Offered: binary.LittleEndian.Uint16([]byte(rest[13:]))&clientSSL != 0}
}
