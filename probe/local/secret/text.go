package secret

import (
	"slices"
	"strings"
	"unicode"
)

// maskText masks what is a secret inside an argument: URLs, pairs of names and values,
// tokens, and where it is a command line of its own, its flags.
func maskText(s string) string {
	if len(s) < 3 { // the shortest: "a=b" has no secret name
		return s
	}
	s = maskURLs(s)
	s = maskDSN(s)
	s = maskPairs(s)
	s = maskTokens(s)
	if all := words(s); len(all) > 1 {
		s = maskWords(s, all)
	}
	return s
}

// maskWords masks the words of a text as arguments.
func maskWords(s string, all []string) string {
	var m masker
	var b strings.Builder
	for _, w := range all {
		at := strings.Index(s, w)
		b.WriteString(s[:at])
		s = s[at+len(w):]
		bare := strings.Trim(w, `'"`)
		if strings.ContainsFunc(bare, unicode.IsSpace) || bare == "" { // quoted
			if m.value == nil {
				b.WriteString(w)
				continue
			}
		}
		b.WriteString(strings.Replace(w, bare, m.arg(bare), 1))
	}
	return b.String() + s
}

// words divides a text at spaces that no quotes enclose. Quotes stay.
func words(s string) (all []string) {
	start, quote := -1, rune(0)
	for i, r := range s {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case unicode.IsSpace(r):
			if start >= 0 {
				all = append(all, s[start:i])
			}
			start = -1
			continue
		case (r == '"' || r == '\'') && strings.ContainsRune(s[i+1:], r):
			quote = r
		}
		if start < 0 {
			start = i
		}
	}
	if start >= 0 {
		all = append(all, s[start:])
	}
	return all
}

// maskURLs masks passwords in URLs (RFC 3986, section 3.2.1), also those that have
// characters which should be encoded. Of HTTP a user without a password is a token.
func maskURLs(s string) string {
	var b strings.Builder
	for {
		at := strings.Index(s, "://")
		if at < 0 {
			return b.String() + s
		}
		scheme := s[strings.LastIndexFunc(s[:at], func(r rune) bool { return !isScheme(r) })+1 : at]
		b.WriteString(s[:at+3])
		s = s[at+3:]
		end := len(s)
		if i := strings.IndexFunc(s, func(r rune) bool {
			return unicode.IsSpace(r) ||
				strings.ContainsRune("\"'`<>", r)
		}); i >= 0 {
			end = i
		}
		if i := strings.Index(s[:end], "://"); i >= 0 { // another URL, as in a list
			end = strings.LastIndexFunc(s[:i], func(r rune) bool { return !isScheme(r) }) + 1
		}
		info := userinfo(s[:end])
		user, password, has := strings.Cut(info, ":")
		switch {
		case has && password != "" && password != Placeholder:
			b.WriteString(user + ":" + Placeholder)
			s = s[len(info):]
		case !has && strings.HasPrefix(strings.ToLower(scheme), "http") && len(user) >= 16:
			b.WriteString(Placeholder)
			s = s[len(info):]
		}
	}
}

func isScheme(r rune) bool {
	return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("+.-", r))
}

// userinfo is the text before the "@" of the host of a URL, without its scheme; "" if
// there is none.
func userinfo(rest string) string {
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		return authority[:at]
	}
	// A password with a slash: what follows the colon is then no port.
	_, port, has := strings.Cut(authority, ":")
	at := strings.LastIndexByte(rest, '@')
	if at < 0 || !has || strings.Trim(port, "0123456789") == "" && port != "" || strings.HasPrefix(rest, "[") {
		return ""
	}
	return rest[:at]
}

// maskDSN masks the password of "user:password@tcp(host)/name", which is no URL.
func maskDSN(s string) string {
	for _, mark := range []string{"@tcp(", "@tcp6(", "@unix(", "@udp("} {
		at := strings.Index(s, mark)
		if at < 0 {
			continue
		}
		start := strings.LastIndexFunc(s[:at], unicode.IsSpace) + 1
		user, password, has := strings.Cut(s[start:at], ":")
		if has && password != "" && password != Placeholder {
			s = s[:start] + user + ":" + Placeholder + s[at:]
		}
	}
	return s
}

// headers are those whose whole values are secrets.
var headers = []string{"authorization", "proxy-authorization", "cookie", "set-cookie"}

// schemes of the header Authorization (IANA's HTTP Authentication Scheme Registry), which
// are no secrets.
var schemes = []string{"basic", "bearer", "digest", "token", "negotiate", "ntlm", "apikey", "oauth", "hoba", "mutual"}

// maskPairs masks the values in "name=value" and "name: value", wherever they are.
func maskPairs(s string) string {
	var b strings.Builder
	for {
		at := strings.IndexAny(s, "=:")
		if at < 0 {
			return b.String() + s
		}
		name, quoted := nameBefore(s[:at])
		colon := s[at] == ':'
		start := at + 1
		for start < len(s) && strings.IndexByte("=> \t", s[start]) >= 0 {
			start++
		}
		c := classOf(name)
		header := colon && slices.Contains(headers, strings.ToLower(name))
		// "auth: …" may be a sentence, and "token://" is no pair.
		if c == harmless && !header || colon && !header && c != sure && !quoted && !strings.Contains(name, "-") ||
			strings.HasPrefix(s[start:], "//") {
			b.WriteString(s[:at+1])
			s = s[at+1:]
			continue
		}
		from, to := valueIn(s, start)
		if header {
			from, to = headerValue(s, start)
		}
		b.WriteString(s[:from])
		value := s[from:to]
		if header && value != "" && value != Placeholder || c.hides(value) {
			value = Placeholder
		}
		b.WriteString(value)
		s = s[to:]
	}
}

// nameBefore is the name at the end of a text, and whether it is in quotes.
func nameBefore(s string) (name string, quoted bool) {
	s = strings.TrimRight(s, " \t")
	bare := strings.TrimRight(s, `\"'`)
	quoted = bare != s
	return bare[strings.LastIndexFunc(bare, notInName)+1:], quoted
}

// valueIn is where the value that starts at a place begins, behind a quote, and ends: at
// the quote, at a space, or before the next pair.
func valueIn(s string, start int) (from, to int) {
	from = start
	escaped := strings.HasPrefix(s[from:], `\`)
	if escaped {
		from++
	}
	if from < len(s) && strings.IndexByte("\"'`", s[from]) >= 0 {
		quote := s[from : from+1]
		if escaped {
			quote = `\` + quote
		}
		from++
		for to = from; to < len(s); to++ {
			if strings.HasPrefix(s[to:], quote) {
				return from, to
			}
			if s[to] == '\\' {
				to++
			}
		}
		return from, len(s)
	}
	from = start
	for to = from; to < len(s); to++ {
		switch c := s[to]; {
		case strings.IndexByte(" \t\r\n\"'`", c) >= 0:
			return from, to
		case strings.IndexByte(";&,", c) >= 0 && pairFollows(s[to+1:]):
			return from, to
		}
	}
	return from, to
}

// pairFollows reports whether a text is empty or begins with a pair.
func pairFollows(s string) bool {
	s = strings.TrimLeft(s, " ")
	end := strings.IndexFunc(s, func(r rune) bool { return notInName(r) && r != ' ' })
	return s == "" || end > 0 && s[end] == '='
}

// headerValue is the value of a header without its scheme: to the end, or to the quote
// that encloses the header.
func headerValue(s string, start int) (from, to int) {
	from, to = start, len(s)
	if end := strings.IndexAny(s[start:], "\"'`"); end >= 0 {
		to = start + end
	}
	scheme, rest, has := strings.Cut(s[from:to], " ")
	if has && slices.Contains(schemes, strings.ToLower(scheme)) {
		from += len(scheme) + 1 + len(rest) - len(strings.TrimLeft(rest, " "))
	}
	return from, to
}

// prefixes begin tokens of well-known services, which consist of letters, digits, "_",
// "-" and ".". At least minToken characters follow.
var prefixes = []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xoxa-",
	"xoxs-", "xapp-", "sk_live_", "rk_live_", "hvs.", "dop_v1_", "npm_", "pypi-", "eyJ", "sk-proj-", "sk-ant-", "hf_",
	"AIza", "SG.", "shpat_", "glrt-"}

const minToken = 16

// maskTokens masks tokens that are known by their prefixes, and private keys.
func maskTokens(s string) string {
	for _, p := range prefixes {
		for from := 0; ; {
			at := strings.Index(s[from:], p)
			if at < 0 {
				break
			}
			at += from
			end := at + len(p)
			for end < len(s) && isToken(rune(s[end])) {
				end++
			}
			from = end
			begins := at == 0 || !isToken(rune(s[at-1]))
			jwt := p != "eyJ" || strings.Count(s[at:end], ".") == 2 // RFC 7519
			if begins && jwt && end-at-len(p) >= minToken {
				s = s[:at] + Placeholder + s[end:]
				from = at + len(Placeholder)
			}
		}
	}
	const begin, private = "-----BEGIN ", "PRIVATE KEY-----"
	if at := strings.Index(s, begin); at >= 0 {
		if i := strings.Index(s[at:], private); i >= 0 {
			rest := s[at+i+len(private):]
			if end := strings.Index(rest, "-----END "); end >= 0 {
				return s[:at+i+len(private)] + Placeholder + rest[end:]
			}
			return s[:at+i+len(private)] + Placeholder
		}
	}
	return s
}

func isToken(r rune) bool {
	return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-.", r))
}
