package service

import (
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// dnsMessages are the answer as it came, and those in it over TCP, where each
// stands behind its length (RFC 1035, section 4.2.2).
func dnsMessages(a *answer) [][]byte {
	all := [][]byte{a.bytes}
	for b := a.bytes; len(b) >= 2; {
		n := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; n > len(b) {
			break
		}
		all, b = append(all, b[:n]), b[n:]
	}
	return all
}

// dnsAnswer takes the answer to a question of ours apart: RFC 1035, section 4.1.
// It is what stands after the header.
func dnsAnswer(b []byte) (counts [4]uint16, rest []byte, ok bool) {
	// Our id, a response to a standard query.
	if len(b) < 12 || b[0] != 4 || b[1] != 0x17 || b[2]&0xf8 != 0x80 || b[3]&0x40 != 0 {
		return counts, nil, false
	}
	for i := range counts {
		counts[i] = binary.BigEndian.Uint16(b[4+2*i:])
	}
	return counts, b[12:], counts[0] <= 1
}

// readDNS knows an answer to our question, which it repeats unless the server
// refused to read it.
func readDNS(a *answer) (facts, bool) {
	return facts{}, slices.ContainsFunc(dnsMessages(a), isDNS)
}

func isDNS(b []byte) bool {
	counts, rest, ok := dnsAnswer(b)
	if !ok {
		return false
	}
	if counts[0] == 0 {
		return len(rest) == 0
	}
	for _, q := range []string{rootServers, versionBind} {
		if strings.HasPrefix(strings.ToLower(string(rest)), q[12:]) {
			return true
		}
	}
	return false
}

var dnsSoftware = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(?:(dnsmasq)-|(unbound) |(PowerDNS)[ -][\w ]*?|(Knot DNS) |(NSD) |(Microsoft DNS) |(CoreDNS)-)?v?(\d[\w.+~-]*)?`)
})

// readDNSVersion reads the text of version.bind: the software and its version
// or, for BIND, a bare version.
func readDNSVersion(a *answer) (facts, bool) {
	for _, b := range dnsMessages(a) {
		if f, ok := versionOf(b); ok {
			return f, true
		}
	}
	return facts{}, false
}

func versionOf(b []byte) (facts, bool) {
	counts, rest, ok := dnsAnswer(b)
	q := versionBind[12:]
	if !ok || counts[0] != 1 || counts[1] == 0 || !strings.HasPrefix(strings.ToLower(string(rest)), q) {
		return facts{}, false
	}
	rest = rest[len(q):]
	// The owner: a pointer to the question, or the name again.
	switch {
	case len(rest) >= 2 && rest[0] == 0xc0:
		rest = rest[2:]
	case strings.HasPrefix(strings.ToLower(string(rest)), q[:len(q)-4]):
		rest = rest[len(q)-4:]
	default:
		return facts{}, false
	}
	if len(rest) < 11 || string(rest[:4]) != "\x00\x10\x00\x03" {
		return facts{}, false
	}
	n := int(rest[10])
	if len(rest) < 11+n || n == 0 {
		return facts{}, false
	}
	text := string(rest[11 : 11+n])
	f := facts{info: "version.bind: " + text}
	m := dnsSoftware().FindStringSubmatch(text)
	for _, p := range m[1 : len(m)-1] {
		f.product += p
	}
	if f.version = m[len(m)-1]; f.version != "" && f.product == "" {
		f.product = "BIND"
	}
	return f, true
}
