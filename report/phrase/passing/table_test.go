package passing

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/scan/wire"
)

func TestTable(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
	at := func(a string) probe.Endpoint {
		return probe.Endpoint{Addr: netip.MustParseAddr(a), Port: 5432, Proto: probe.TCP}
	}
	s := wire.Standings{Endpoints: 12, Flows: 1300, Packets: 54321, Top: []wire.Standing{
		{Endpoint: at("192.0.2.7"), State: probe.Open, Service: "postgresql", Flows: 1204, Sent: 3400, Received: 12e6,
			Last: now.Add(-300 * time.Millisecond)},
		{Endpoint: at("2001:db8::7"), State: probe.Filtered, Flows: 3, Last: now.Add(-90 * time.Second)},
	}}
	want := []string{
		"endpoint                state     flows     sent  received          last  service",
		"192.0.2.7:5432/tcp      open      1,204   3.4 kB   12.0 MB           now  postgresql",
		"[2001:db8::7]:5432/tcp  filtered      3  0 bytes   0 bytes  1 m 30 s ago",
		"10 more; 12 endpoints, 1,300 flows, 54,321 packets",
	}
	if got := Table(s, now, 10); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	if got := Table(s, now, 3); len(got) != 3 || !strings.HasPrefix(got[2], "11 more; 12 endpoints") {
		t.Errorf("%q", got)
	}
	if got := Table(wire.Standings{}, now, 10); len(got) != 1 || got[0] != "0 endpoints, 0 flows, 0 packets" {
		t.Errorf("%q", got)
	}
}
