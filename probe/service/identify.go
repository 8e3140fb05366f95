package service

import (
	"bytes"
	"regexp"
	"strings"

	"onmux/probe"
)

const (
	bannerSize = 256 // of Service.Banner, in characters
	rawSize    = 512 // of Service.Raw, in bytes
	nameSize   = 64  // of Service.Product and Service.Version, in characters
)

// rule recognises a service in what a peer said, whichever probe made it say
// so: every answer is held against every rule.
type rule struct {
	name       string                // unique, told in reports
	service    string                // IANA's name where there is one
	product    string                // unless the pattern has a group "product"
	pattern    func() *regexp.Regexp // on the answer as Latin-1; groups "product" and "version"
	confidence probe.Confidence
	rank       int // how specific; the highest match wins, the first of equals
}

// The ranks of rules, weakest first.
const (
	weak     = 1 + iota // what others may say too
	protocol            // the protocol
	product             // the software
	exact               // the software, where another product's rule matches as well
)

// identify names the service from answer, which the probe of that name drew.
// It never returns nil.
func identify(probeName string, answer []byte) *probe.Service {
	s := &probe.Service{
		Name: "unknown", Probe: probeName,
		Banner: escape(answer, bannerSize), Raw: bytes.Clone(answer[:min(len(answer), rawSize)]),
	}
	text := latin1(answer)
	best := 0
	for i := range rules {
		r := &rules[i]
		if r.rank <= best {
			continue
		}
		groups := r.pattern().FindStringSubmatch(text)
		if groups == nil {
			continue
		}
		best = r.rank
		s.Name, s.Rule, s.Confidence = r.service, r.name, r.confidence
		s.Product, s.Version = r.product, r.group("version", groups)
		if p := r.group("product", groups); p != "" {
			s.Product = p
		}
	}
	return s
}

// group is what the named group matched, made safe to print; empty if the
// pattern has none.
func (r *rule) group(name string, groups []string) string {
	i := r.pattern().SubexpIndex(name)
	if i < 0 {
		return ""
	}
	b := make([]byte, 0, len(groups[i]))
	for _, c := range groups[i] { // each rune was a byte
		b = append(b, byte(c))
	}
	return escape(b, nameSize)
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
