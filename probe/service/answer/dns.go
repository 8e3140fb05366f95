package answer

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"

	"onmux/probe"
	"onmux/probe/request"
)

// dnsMessages are the answer as it came, and those in it over TCP, where each
// follows its length (RFC 1035, section 4.2.2).
func dnsMessages(a *Answer) [][]byte {
	all := [][]byte{a.Bytes}
	for b := a.Bytes; len(b) >= 2; {
		n := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; n > len(b) {
			break
		}
		all, b = append(all, b[:n]), b[n:]
	}
	return all
}

// dnsReply parses the header and the question of an answer to a query of ours (RFC
// 1035, section 4.1). The question is nil if the server returned the header alone,
// as one does that refuses to read the query.
func dnsReply(b []byte) (p dnsmessage.Parser, question *dnsmessage.Question, ok bool) {
	h, err := p.Start(b)
	if err != nil || h.ID != request.ID || !h.Response || h.OpCode != 0 || b[3]&0x40 != 0 { // that bit is reserved
		return p, nil, false
	}
	all, err := p.AllQuestions()
	switch {
	case err != nil || len(all) > 1:
		return p, nil, false
	case len(all) == 0:
		return p, nil, len(b) == 12
	}
	return p, &all[0], true
}

const versionBind = "version.bind."

func isVersionBind(q *dnsmessage.Question) bool {
	return strings.EqualFold(q.Name.String(), versionBind) && q.Type == dnsmessage.TypeTXT &&
		q.Class == dnsmessage.ClassCHAOS
}

// readDNS recognises an answer to our query, whose question it repeats unless the server
// refused to read it.
func readDNS(a *Answer) (Facts, bool) {
	return Facts{}, slices.ContainsFunc(dnsMessages(a), isDNS)
}

func isDNS(b []byte) bool {
	_, q, ok := dnsReply(b)
	if !ok || q == nil {
		return ok
	}
	root := q.Name.String() == "." && q.Type == dnsmessage.TypeNS && q.Class == dnsmessage.ClassINET
	return root || isVersionBind(q)
}

var dnsSoftware = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(
		`(?i)^(?:(dnsmasq)-|(unbound) |(PowerDNS (?:Recursor|Authoritative Server)) |(PowerDNS)[ -]|` +
			`(Knot (?:DNS|Resolver)) ?|` +
			`(NSD) |(Microsoft DNS) |(gdnsd)/|(BIND) |(CoreDNS)-)?v?(\d[\w.+~-]*)?`,
	)
})

// readDNSDist recognises dnsdist by its answer to a message without a question: others reject
// the format (RCODE 1), it does not implement that (4).
func readDNSDist(a *Answer) (Facts, bool) {
	for _, b := range dnsMessages(a) {
		if len(b) == 12 && bytes.Equal(b, []byte("\x04\x17\x80\x04\x00\x00\x00\x00\x00\x00\x00\x00")) {
			return Facts{Front: &probe.Software{Product: "dnsdist"}}, true
		}
	}
	return Facts{}, false
}

// readDNSVersion reads the text of version.bind: the software and its version
// or, for BIND, a bare version.
func readDNSVersion(a *Answer) (Facts, bool) {
	for _, b := range dnsMessages(a) {
		if text := versionText(b); text != "" {
			f := Facts{Info: "version.bind: " + text, Description: text, doubtful: true} // a load balancer passes the query on
			m := dnsSoftware().FindStringSubmatch(text)
			for _, p := range m[1 : len(m)-1] {
				f.Product += p
			}
			if f.Version = m[len(m)-1]; f.Version != "" && f.Product == "" {
				f.Product = "BIND"
			}
			return f, true
		}
	}
	return Facts{}, false
}

// versionText is the first string of the TXT record of version.bind, empty if b has none.
func versionText(b []byte) string {
	p, q, ok := dnsReply(b)
	if !ok || q == nil || !isVersionBind(q) {
		return ""
	}
	h, err := p.AnswerHeader()
	if err != nil || !strings.EqualFold(h.Name.String(), versionBind) || h.Type != dnsmessage.TypeTXT ||
		h.Class != dnsmessage.ClassCHAOS {
		return ""
	}
	txt, err := p.TXTResource()
	if err != nil || len(txt.TXT) == 0 {
		return ""
	}
	return txt.TXT[0]
}
