package lookup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"onmux/probe/nettest"
)

// server answers queries for A and AAAA by the first letter of the name: what it has, that
// there is none, or an error.
func server(t *testing.T) *net.Resolver {
	nettest.Need(t)
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nettest.Receive(t, c, func(q []byte, from net.Addr) {
		var m dnsmessage.Message
		if m.Unpack(q) != nil {
			return
		}
		question := m.Questions[0]
		m.Header = dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}
		m.Additionals = nil
		kind := question.Name.String()[0]
		if question.Type == dnsmessage.TypeAAAA {
			kind = question.Name.String()[1]
		}
		h := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 1}
		switch kind {
		case 'f':
			m.RCode = dnsmessage.RCodeServerFailure
		case 'x':
			m.RCode = dnsmessage.RCodeNameError
		case 'a':
			body := dnsmessage.ResourceBody(&dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}})
			if question.Type == dnsmessage.TypeAAAA {
				body = &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("2001:db8::7").As16()}
			}
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: body})
		}
		if answer, err := m.Pack(); err == nil {
			c.WriteTo(answer, from)
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}

func TestAddresses(t *testing.T) {
	r := server(t)
	for _, tt := range []struct {
		name   string // what A and AAAA bring: an address (a), none (n), that there is no such name (x), failure (f)
		want   []string
		failed string // a family, or all
	}{
		{"aa.example.", []string{"192.0.2.7", "2001:db8::7"}, ""},
		{"an.example.", []string{"192.0.2.7"}, ""},
		{"na.example.", []string{"2001:db8::7"}, ""},
		{"af.example.", []string{"192.0.2.7"}, "IPv6"},
		{"fa.example.", []string{"2001:db8::7"}, "IPv4"},
		{"nf.example.", nil, "all"},
		{"fn.example.", nil, "all"},
		{"ff.example.", nil, "all"},
		{"nn.example.", nil, "none"},
		{"xx.example.", nil, "none"},
	} {
		addrs, err := Addresses(t.Context(), r, tt.name)
		var got []string
		for _, a := range addrs {
			got = append(got, a.Unmap().String())
		}
		failed := ""
		part, isPart := errors.AsType[*PartError](err)
		switch {
		case isPart:
			failed = part.Family()
		case isNone(err):
			failed = "none"
		case err != nil:
			failed = "all"
		}
		if !slices.Equal(got, tt.want) || failed != tt.failed {
			t.Errorf("%s: %v, %v; want %v, failed: %s", tt.name, got, err, tt.want, tt.failed)
		}
	}
}

// TestLocalhost: every name of localhost is loopback's, and no name server is asked.
func TestLocalhost(t *testing.T) {
	asked := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("a name server is asked")
		return nil, errNoServer
	}}
	for _, name := range []string{"localhost", "LocalHost.", "db1.localhost", "a.b.LOCALHOST."} {
		addrs, err := Addresses(t.Context(), asked, name)
		if err != nil || len(addrs) == 0 || slices.ContainsFunc(addrs, func(a netip.Addr) bool { return !a.IsLoopback() }) {
			t.Errorf("%s: %v, %v", name, addrs, err)
		}
	}
	if isLocalhost("notlocalhost") || isLocalhost("localhost.example") {
		t.Error("another name is that of localhost")
	}
}

// TestUsable: what this machine has an address for is usable, and link-local addresses are
// reached without any other.
func TestUsable(t *testing.T) {
	usable := Usable()
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range own {
		if a, _ := netip.AddrFromSlice(o.(*net.IPNet).IP); !usable(a) {
			t.Errorf("%s is not usable", a)
		}
	}
	if !usable(netip.MustParseAddr("fe80::1%eth0")) {
		t.Error("link-local addresses are not usable")
	}
}
