package inquiry

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/report/phrase/evidence"
)

// zone is what a name server knows: names to addresses, and to other names.
type zone struct {
	addrs  map[string][]string
	cnames map[string]string

	mu      sync.Mutex
	queries map[string]int
}

// resolver uses a name server of the test's own, on loopback.
func (z *zone) resolver(t *testing.T) *net.Resolver {
	nettest.Need(t)
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nettest.Receive(t, c, func(q []byte, from net.Addr) {
		if answer, err := z.answer(q); err == nil {
			c.WriteTo(answer, from)
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}

func (z *zone) answer(q []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(q); err != nil {
		return nil, err
	}
	question := m.Questions[0]
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.queries == nil {
		z.queries = make(map[string]int)
	}
	name := strings.ToLower(question.Name.String())
	z.queries[name]++
	m.Header = dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}
	m.Additionals = nil
	if to, ok := z.cnames[name]; ok {
		m.Answers = append(m.Answers,
			dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 1},
				Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(to)}})
		name = to
	}
	known := z.addrs[name]
	if len(known) == 0 {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, s := range known {
		a := netip.MustParseAddr(s)
		h := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 1}
		switch {
		case a.Is4() && question.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && question.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return m.Pack()
}

func TestNames(t *testing.T) {
	const behind = "2001:db8:122:344::c000:201" // of this network's NAT64
	z := &zone{
		addrs: map[string][]string{
			"plain.example.": {"192.0.2.1", "2001:db8::1"}, "web.example.": {"192.0.2.1", behind}, "lone.example.": {behind},
			"known.example.": {"64:ff9b::192.0.2.1"}, "four.example.": {"192.0.2.1"}, "ipv4only.arpa.": {"192.0.0.170",
				"2001:db8:122:344::192.0.0.170"},
		},
		cnames: map[string]string{"www.example.": "web.example."},
	}
	for _, tt := range []struct {
		host, cname string
		nat64       map[string]string
		discovers   int
	}{
		{"plain.example", "", nil, 0},
		{"four.example.", "", nil, 0},
		{"www.example", "web.example", map[string]string{behind: "192.0.2.1"}, 1},
		{"WEB.example", "", map[string]string{behind: "192.0.2.1"}, 1},
		{"lone.example", "", nil, 0}, // with no IPv4 address, a DNS64 has made nothing up
		{"known.example", "", map[string]string{"64:ff9b::c000:201": "192.0.2.1"}, 0},
	} {
		z.queries = nil
		n := NewNames(z.resolver(t))
		addrs, err := n.Resolve(t.Context(), tt.host)
		if err != nil || len(addrs) == 0 {
			t.Errorf("%s: %v, %v", tt.host, addrs, err)
		}
		for _, a := range addrs {
			r := probe.Result{Endpoint: probe.Endpoint{Addr: a}, Origin: probe.Origin{Host: tt.host}}
			n.Describe(t.Context(), &r)
			n.Describe(t.Context(), &probe.Result{Endpoint: probe.Endpoint{Addr: a}, Origin: probe.Origin{Host: tt.host}})
			if r.Lookup == nil || r.Lookup.Time <= 0 || r.Lookup.CNAME != tt.cname {
				t.Errorf("%s: %+v", tt.host, r.Lookup)
			}
			want := tt.nat64[a.String()]
			if got := r.NAT64; got.IsValid() != (want != "") || want != "" && got.String() != want ||
				(want != "") != slices.ContainsFunc(evidence.Notes(&r),
					func(s string) bool { return strings.Contains(s, "a NAT64 translates") }) {
				t.Errorf("%s, %s: stands for %s, %q; want %q", tt.host, a, got, evidence.Notes(&r), want)
			}
		}
		z.mu.Lock()
		if got := z.queries["ipv4only.arpa."]; min(got, 1) != tt.discovers {
			t.Errorf("%s: the NAT64 was looked up %d times", tt.host, got)
		}
		z.mu.Unlock()
	}
	if _, err := NewNames(z.resolver(t)).Resolve(t.Context(), "nobody.example"); err == nil {
		t.Error("nobody.example has addresses")
	}
}
