package answer

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"onmux/probe"
	"onmux/probe/request"
)

const (
	bannerSize = 256      // of Service.Banner, in characters
	RawSize    = 512      // of Service.Raw, in bytes
	NameSize   = 64       // of Service.Product and Service.Version, in characters
	infoSize   = 128      // of Service.Info, in characters
	MaxSize    = 16 << 10 // of an answer, that rules look at, in bytes
)

// Names of requests that package request does not have: nothing is sent, a ClientHello
// of TLS.
const (
	Waiting     = "wait"
	ClientHello = "tls"
)

// Answer is what a peer sent, and the request that drew it.
type Answer struct {
	Request string // its name
	Sent    []byte // for rules that expect an echo or an id
	Bytes   []byte // what came back
	Text    string // bytes as Latin-1, for patterns
	Full    bool   // more was coming
	TLS     *probe.TLS
}

func New(request string, sent, b []byte) *Answer {
	full := len(b) >= MaxSize
	b = b[:min(len(b), MaxSize)]
	return &Answer{Request: request, Sent: sent, Bytes: b, Text: Latin1(b), Full: full}
}

// Facts are what a rule reads in an answer beyond its row. They come from the peer:
// code that prints them escapes and bounds them.
type Facts struct {
	Product, Version, Info string
	Description            string // in the software's own words: sysDescr, version.bind

	Front, Backend *probe.Software // of a proxy, cache or pooler
	HTTP           *probe.HTTP
	StartTLS       *probe.StartTLS
	doubtful       bool // other software may send the same: the confidence is no more than medium
}

// matcher compares one answer with one rule. It keeps nothing and accepts any bytes.
type matcher func(*Answer) (Facts, bool)

// Rule recognises a service in an answer, whichever request it answers: every answer is
// compared with every Rule.
type Rule struct {
	Name       string // unique; reports quote it
	Service    string // the usual name
	product    string // unless the match finds another
	match      matcher
	confidence probe.Confidence
	rank       int // how specific; the highest match wins, the first of equals
}

// The ranks of rules, weakest first.
const (
	weak     = 1 + iota // what other services may send too
	protocol            // the protocol
	kind                // a kind of software, where its name does not show
	product             // the software
	exact               // the software, where another product's rule matches as well
)

// Match is a rule that recognised an answer.
type Match struct {
	*Rule // nil for none
	Facts
	*Answer
}

// Better reports whether m is more specific than n.
func (m Match) Better(n Match) bool {
	switch {
	case m.Rule == nil || n.Rule == nil:
		return m.Rule != nil
	case m.rank != n.rank:
		return m.rank > n.rank
	case m.Service != n.Service || m.rank == weak:
		return false
	case n.Request == ClientHello: // an error in place of a page
		return true
	case m.isOfName() != n.isOfName() && (m.Facts.Product != "" || n.Facts.Product == ""):
		return m.isOfName()
	}
	return m.detail() > n.detail()
}

// Known reports whether the answer names the protocol; IsExact, whether it names the
// software and its version too.
func (m Match) Known() bool { return m.Rule != nil && m.rank >= protocol }

func (m Match) IsExact() bool { return m.Rule != nil && m.rank >= product && m.Facts.Version != "" }

// isOfName reports whether m is a page that was requested by the name of its host.
func (m Match) isOfName() bool { return m.HTTP != nil && m.HTTP.Host != "" }

// greeters are the services whose servers send first, whatever a client does.
var greeters = []string{
	"ssh", "smtp", "lmtp", "ftp", "pop3", "imap", "sieve", "nntp", "vnc", "mysql", "mysqlx", "rsync", "mpd", "nats",
	"svn", "dict", "asterisk-manager", "freeswitch-event", "openvpn-management", "vmware-auth", "gpsd", "nbd", "ceph",
	"tarantool", "munin-node", "varnish-cli", "meetingmaker", "daytime", "time", "chargen", "telnet", "ganglia",
	"bzflag", "i2p-bob", "nsca",
}

// Greets reports whether the server of m sends first.
func (m Match) Greets() bool { return m.Rule != nil && slices.Contains(greeters, m.Service) }

// IsForwarded reports whether m is what a load balancer may have passed on from a server behind it,
// which the answer to a message without a question shows.
func (m Match) IsForwarded() bool { return m.Rule != nil && m.Rule.Name == "dns-version" }

// Survives reports whether the rule would recognise the same bytes in answer to another
// request.
func (m Match) Survives(request string) bool {
	again := *m.Answer
	again.Request = request
	_, ok := m.Rule.match(&again)
	return ok
}

// IsPlainHTTP reports whether m shows no more than that the peer answers HTTP, as servers
// of many other protocols do.
func (m Match) IsPlainHTTP() bool {
	return m.Rule != nil && m.Service == request.HTTP.Service && m.rank == protocol && m.Facts.Product == ""
}

// IsBadRequest reports whether m is HTTP's error for what a server cannot read: that of a TLS
// server for plain HTTP, too.
func (m Match) IsBadRequest() bool {
	return m.Rule != nil && statusLine(m.Text) && m.Text[9:12] == "400"
}

// detail counts what is known beyond the service.
func (m Match) detail() int {
	n := 0
	for _, s := range []string{m.Facts.Product, m.Facts.Version, m.Facts.Version, m.Facts.Info} {
		if s != "" {
			n++
		}
	}
	return n
}

// Names are the services that the tables name, sorted, and the software of each.
func Names() (services, products []string) {
	for _, table := range slices.Concat(tables(), [][]Rule{hints()}) {
		for _, r := range table {
			services = append(services, r.Service)
			if r.product != "" {
				products = append(products, r.product)
			}
		}
	}
	slices.Sort(services)
	slices.Sort(products)
	return slices.Compact(services), slices.Compact(products)
}

// Recognise is the most specific match of a, and the services of all that
// matched.
func Recognise(a *Answer) (best Match, services []string) {
	mirrored := a.Mirrored()
	for _, table := range tables() {
		for i := range table {
			r := &table[i]
			f, ok := r.match(a)
			if !ok || mirrored && r.Service != "echo" {
				continue
			}
			services = append(services, r.Service)
			if best.Rule == nil || r.rank > best.rank {
				if f.Product == "" {
					f.Product = r.product
				}
				best = Match{r, f, a}
			}
		}
	}
	if best.Rule != nil && best.HTTP == nil && statusLine(a.Text) && slices.Contains(pageServices, best.Service) {
		head, body, _ := pageParts(a.Text)
		best.HTTP = pageOf(a, head, body)
	}
	return best, services
}

// pageServices are the services whose answers are pages.
var pageServices = []string{"http", "http-proxy", "ipp"}

// Hinted are the rows of hints that a matches.
func Hinted(a *Answer) (rows []*Rule) {
	all := hints()
	for i := range all {
		if _, ok := all[i].match(a); ok && !a.Mirrored() {
			rows = append(rows, &all[i])
		}
	}
	return rows
}

// poolers and load balancers speak the protocol of the servers behind them.
var poolers = []string{"PgBouncer", "Pgpool-II", "ProxySQL", "MaxScale", "dnsdist"}

// secretAfter is how much is reported of answers that continue with secrets, by rule.
var secretAfter = map[string]int{"meetingmaker-login": loginHead}

// Report is the match as it is written in reports; without a rule, "unknown" and the kind
// of the answer.
func (m Match) Report() *probe.Service {
	b := m.Answer.Bytes
	s := &probe.Service{
		Name: "unknown", Probe: m.Request,
		Banner: escape(b, bannerSize), Raw: bytes.Clone(b[:min(len(b), RawSize)]),
	}
	if m.Rule == nil {
		s.Info = describeBytes(m.Answer)
		return s
	}
	if n, ok := secretAfter[m.Rule.Name]; ok {
		b = b[:min(len(b), n)]
		s.Banner, s.Raw = escape(b, bannerSize), bytes.Clone(b)
	}
	s.Name, s.Rule, s.Confidence = m.Service, m.Rule.Name, m.confidence
	s.Product, s.Version = Printable(m.Facts.Product, NameSize), Printable(m.Facts.Version, NameSize)
	s.Info = Printable(m.Facts.Info, infoSize)
	s.Front, s.Backend, s.HTTP, s.StartTLS = m.Front, m.Backend, m.HTTP, m.StartTLS
	if slices.Contains(poolers, s.Product) {
		s.Front = &probe.Software{Product: s.Product, Version: s.Version}
	}
	if m.doubtful && s.Confidence == probe.High {
		s.Confidence = probe.Medium
	}
	s.TLS = m.Answer.TLS
	return s
}

// Public is what may be reported of the bytes of an answer, at most limit: nothing of a
// login.
func Public(b []byte, limit int) []byte {
	m, _ := Recognise(New("", nil, b))
	if m.Rule != nil {
		if n, ok := secretAfter[m.Rule.Name]; ok {
			limit = min(limit, n)
		}
	}
	return b[:min(len(b), limit)]
}

// describeBytes states what kind of bytes an answer has: "12 bytes, binary, 3.1 bits of
// entropy a byte, starts c1 2c".
func describeBytes(a *Answer) string {
	b := a.Bytes
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
	case a.Full:
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

// Latin1 maps each byte to the rune of the same number, so that a regexp over
// text can match bytes: Go's regexps would read invalid UTF-8 as U+FFFD.
func Latin1(b []byte) string {
	var s strings.Builder
	s.Grow(len(b) + len(b)/4)
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}

// bytesOf undoes Latin1.
func bytesOf(text string) string {
	b := make([]byte, 0, len(text))
	for _, c := range text {
		b = append(b, byte(c))
	}
	return string(b)
}

// Printable writes s for people to read: printable UTF-8 as it is, and escaped what does
// anything else, as controls, marks that hide text or change its direction, and bytes
// that are no UTF-8 do. It stops before it would exceed limit bytes.
func Printable(s string, limit int) string {
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
