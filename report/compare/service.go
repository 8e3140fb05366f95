package compare

import (
	"slices"
	"strings"
	"unicode"

	"onmux/probe"
)

// sameService reports whether two descriptions of a service may be of the same one, the one
// with more details than the other: what only one of them states is no difference.
func sameService(a, b *probe.Service) bool {
	product := sameProduct(a.Product, b.Product)
	named := a.Product != "" && b.Product != ""
	return (canonical(a.Name) == canonical(b.Name) || product && named) && product &&
		sameVersion(a.Version, b.Version)
}

// aliases has names that nmap and others have for services, and what they are called here.
var aliases = map[string]string{
	"domain": "dns", "microsoft-ds": "smb", "netbios-ssn": "smb", "ms-wbt-server": "rdp", "http-proxy": "http",
	"http-alt": "http", "https-alt": "http", "ms-sql-s": "mssql", "mysqlx": "mysql", "submission": "smtp",
}

// canonical is the name of a service without whether it is inside TLS, which depends on who
// describes it: nmap has http with a tunnel where others have https.
func canonical(name string) string {
	name = strings.ToLower(name)
	name = strings.TrimPrefix(name, "ssl/")
	if bare, ok := strings.CutSuffix(name, "s"); ok &&
		slices.Contains(
			[]string{"http", "imap", "pop3", "smtp", "ldap", "ftp", "mqtt", "amqp", "redis", "sip", "irc"},
			bare,
		) {
		name = bare
	}
	if other, ok := aliases[name]; ok {
		return other
	}
	return name
}

// sameProduct reports whether one name begins with the other, letters and digits alone:
// SimpleHTTP and SimpleHTTPServer.
func sameProduct(a, b string) bool {
	letters := func(s string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return unicode.ToLower(r)
			}
			return -1
		}, s)
	}
	a, b = letters(a), letters(b)
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// sameVersion reports whether one version is the other with something behind it that is no
// part of a number: 9.2p1 and 9.2p1 Debian 2, but not 1.2 and 1.22 or 1.2.1.
func sameVersion(a, b string) bool {
	a, b = strings.TrimPrefix(a, "v"), strings.TrimPrefix(b, "v")
	if len(a) > len(b) {
		a, b = b, a
	}
	rest, ok := strings.CutPrefix(b, a)
	return ok && (a == "" || rest == "" || strings.ContainsRune(" -+~(,;/_", rune(rest[0])))
}
