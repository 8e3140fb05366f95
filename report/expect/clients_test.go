package expect

import (
	"net/netip"
	"testing"

	"onmux/probe"
	"onmux/report/record"
	"onmux/scan/wire"
)

func TestClients(t *testing.T) {
	t.Parallel()
	flow := func(first, last string) wire.Flow {
		f := wire.Flow{Peer: wire.Peer{Client: netip.MustParseAddr(first), ClientPort: 40000},
			Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("192.0.2.7"), Port: 417, Proto: probe.TCP}}
		if last != "" {
			f.LastClient = netip.MustParseAddr(last)
		}
		return f
	}
	for _, c := range []struct {
		expect, first, last string
		holds               bool
	}{
		{"clients=10.0.0.0/24", "10.0.0.9", "", true},
		{"clients=10.0.0.0/24", "10.0.1.9", "", false},
		{"clients = 10.0.0.0/24, 10.0.1.9", "10.0.1.9", "", true},
		{"clients=10.0.0.0/24,!10.0.0.9", "10.0.0.9", "", false},
		{"clients=!10.0.0.9", "10.0.0.9", "", false},
		{"clients=!10.0.0.9", "10.0.0.8", "", true},
		{"clients=!10.0.0.9", "10.0.0.1", "10.0.0.200", false}, // it may be among those that were folded
		{"clients=10.0.0.0/24", "10.0.0.1", "10.0.0.200", true},
		{"clients=10.0.0.0/25", "10.0.0.1", "10.0.0.200", false},
		{"clients=fe80::/10", "fe80::1%eth0", "", true},
		{"clients=2001:db8::/64", "10.0.0.1", "", false},
	} {
		e, err := Parse(c.expect, "watch")
		if err != nil {
			t.Fatal(err)
		}
		j := NewJudge([]Expectation{e})
		found := j.Finding(flow(c.first, c.last))
		again := j.Finding(flow(c.first, c.last)) // is the same client
		out := j.End(record.End{Complete: true})
		if holds := j.Outcome() == record.Holds; holds != c.holds || (len(found) == 0) != c.holds || len(again)+len(out) > 0 {
			t.Errorf("%s: %s-%s: %v %v", c.expect, c.first, c.last, j.Outcome(), found)
		}
	}
	for _, wrong := range []string{"clients=", "clients=nobody", "clients=10.0.0.0/33", "clients=!"} {
		if _, err := Parse(wrong, "watch"); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
	if _, err := Parse("clients=10.0.0.0/24", "scan"); err == nil {
		t.Error("a scan has clients")
	}
}
