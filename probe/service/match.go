package service

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"onmux/probe"
	"onmux/probe/request"
)

const (
	bannerSize = 256      // of Service.Banner, in characters
	rawSize    = 512      // of Service.Raw, in bytes
	nameSize   = 64       // of Service.Product and Service.Version, in characters
	infoSize   = 128      // of Service.Info, in characters
	matchSize  = 16 << 10 // of an answer, that rules look at, in bytes
)

// answer is what a peer sent, and the request that drew it.
type answer struct {
	request string // its name
	sent    []byte // for rules that expect an echo or an id
	bytes   []byte // what came back
	text    string // bytes as Latin-1, for patterns
	full    bool   // more was coming
	tls     *probe.TLS
}

func newAnswer(request string, sent, b []byte) *answer {
	full := len(b) >= matchSize
	b = b[:min(len(b), matchSize)]
	return &answer{request: request, sent: sent, bytes: b, text: latin1(b), full: full}
}

// facts are what a rule reads in an answer beyond its row. They come from the peer:
// code that prints them escapes and bounds them.
type facts struct{ product, version, info string }

// matcher compares one answer with one rule. It keeps nothing and accepts any bytes.
type matcher func(*answer) (facts, bool)

// rule recognises a service in an answer, whichever request it answers: every answer is
// compared with every rule.
type rule struct {
	name       string // unique; reports quote it
	service    string // the usual name
	product    string // unless the match finds another
	match      matcher
	confidence probe.Confidence
	rank       int // how specific; the highest match wins, the first of equals
}

// The ranks of rules, weakest first.
const (
	weak     = 1 + iota // what other services may send too
	protocol            // the protocol
	product             // the software
	exact               // the software, where another product's rule matches as well
)

// match is a rule that recognised an answer.
type match struct {
	*rule // nil for none
	facts
	*answer
}

// better reports whether m is more specific than n.
func (m match) better(n match) bool {
	switch {
	case m.rule == nil || n.rule == nil:
		return m.rule != nil
	case m.rank != n.rank:
		return m.rank > n.rank
	case m.service != n.service || m.rank == weak:
		return false
	case n.request == clientHello.Name: // an error in place of a page
		return true
	}
	return m.detail() > n.detail()
}

// isPlainHTTP reports whether m shows no more than that the peer answers HTTP, as servers
// of many other protocols do.
func (m match) isPlainHTTP() bool {
	return m.rule != nil && m.service == request.HTTP.Service && m.rank == protocol && m.facts.product == ""
}

// detail counts what is known beyond the service.
func (m match) detail() int {
	n := 0
	for _, s := range []string{m.facts.product, m.facts.version, m.facts.version, m.facts.info} {
		if s != "" {
			n++
		}
	}
	return n
}

// recognise is the most specific match of a, and the services of all that
// matched.
func recognise(a *answer) (best match, services []string) {
	mirrored := a.mirrored()
	for _, table := range tables() {
		for i := range table {
			r := &table[i]
			f, ok := r.match(a)
			if !ok || mirrored && r.service != "echo" {
				continue
			}
			services = append(services, r.service)
			if best.rule == nil || r.rank > best.rank {
				if f.product == "" {
					f.product = r.product
				}
				best = match{r, f, a}
			}
		}
	}
	return best, services
}

// hinted are the rows of hints that a matches.
func hinted(a *answer) (rows []*rule) {
	all := hints()
	for i := range all {
		if _, ok := all[i].match(a); ok && !a.mirrored() {
			rows = append(rows, &all[i])
		}
	}
	return rows
}

// identify names the service from b, the answer to the request of that name.
// It never returns nil.
func identify(request string, b []byte) *probe.Service {
	a := newAnswer(request, nil, b)
	m, _ := recognise(a)
	m.answer = a
	return m.report()
}

// secretAfter is how much is reported of answers that continue with secrets, by rule.
var secretAfter = map[string]int{"meetingmaker-login": loginHead}

// report is the match as it is written in reports; without a rule, "unknown" and the kind
// of the answer.
func (m match) report() *probe.Service {
	b := m.answer.bytes
	s := &probe.Service{
		Name: "unknown", Probe: m.request,
		Banner: escape(b, bannerSize), Raw: bytes.Clone(b[:min(len(b), rawSize)]),
	}
	if m.rule == nil {
		s.Info = describeBytes(m.answer)
		return s
	}
	if n, ok := secretAfter[m.rule.name]; ok {
		b = b[:min(len(b), n)]
		s.Banner, s.Raw = escape(b, bannerSize), bytes.Clone(b)
	}
	s.Name, s.Rule, s.Confidence = m.service, m.rule.name, m.confidence
	s.Product, s.Version = safe(m.facts.product, nameSize), safe(m.facts.version, nameSize)
	s.Info = safe(m.facts.info, infoSize)
	s.TLS = m.answer.tls
	return s
}

// describeBytes states what kind of bytes an answer has: "12 bytes, binary, 3.1 bits of
// entropy a byte, starts c1 2c".
func describeBytes(a *answer) string {
	b := a.bytes
	if len(b) == 0 {
		return "no bytes"
	}
	var count [256]int
	printable := 0
	for _, c := range b {
		count[c]++
		if c >= ' ' && c <= '~' || c == '\r' || c == '\n' || c == '\t' {
			printable++
		}
	}
	entropy := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(b))
			entropy -= p * math.Log2(p)
		}
	}
	size := fmt.Sprintf("%d bytes", len(b))
	switch {
	case a.full:
		size = "at least " + size
	case len(b) == 1:
		size = "1 byte"
	}
	if printable == len(b) {
		return size + ", text"
	}
	kind := "binary"
	if printable*10 >= len(b)*9 {
		kind = "mostly text"
	}
	return fmt.Sprintf("%s, %s, %.1f bits of entropy a byte, starts %s", size, kind, entropy, spaced(b[:min(len(b), 8)]))
}

func spaced(b []byte) string {
	s := make([]string, len(b))
	for i := range b {
		s[i] = hex.EncodeToString(b[i : i+1])
	}
	return strings.Join(s, " ")
}

// latin1 maps each byte to the rune of the same number, so that a regexp over
// text can match bytes: Go's regexps would read invalid UTF-8 as U+FFFD.
func latin1(b []byte) string {
	var s strings.Builder
	s.Grow(len(b) + len(b)/4)
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}

// bytesOf undoes latin1.
func bytesOf(text string) string {
	b := make([]byte, 0, len(text))
	for _, c := range text {
		b = append(b, byte(c))
	}
	return string(b)
}

// safe writes s for people to read: printable UTF-8 as it is, and escaped what does
// anything else, as controls, marks that hide text or change its direction, and bytes
// that are no UTF-8 do. It stops before it would exceed limit bytes.
func safe(s string, limit int) string {
	var out strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		part := s[:n]
		if r < utf8.RuneSelf || r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			part = escape([]byte(part), 4*n)
		}
		if out.Len()+len(part) > limit {
			break
		}
		out.WriteString(part)
		s = s[n:]
	}
	return out.String()
}

// escape writes b in printable ASCII, as in a Go string: \r, \n, \t, \\ and
// \xNN. It stops before it would exceed limit characters, never in an escape.
func escape(b []byte, limit int) string {
	const hex = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		out := [4]byte{c}
		n := 1
		switch {
		case c == '\r':
			n = copy(out[:], `\r`)
		case c == '\n':
			n = copy(out[:], `\n`)
		case c == '\t':
			n = copy(out[:], `\t`)
		case c == '\\':
			n = copy(out[:], `\\`)
		case c < ' ' || c > '~':
			out, n = [4]byte{'\\', 'x', hex[c>>4], hex[c&15]}, 4
		}
		if s.Len()+n > limit {
			break
		}
		s.Write(out[:n])
	}
	return s.String()
}
