package passing

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/traffic"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan/capture"
	"onmux/scan/wire"
)

// plain is text with ordinary spaces.
func plain(s string) string { return strings.ReplaceAll(s, phrase.NoBreak, " ") }

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[uint64]string{0: "0 bytes", 1: "1 byte", 999: "999 bytes", 1500: "1.5 kB",
		2_000_000: "2.0 MB",
		1 << 63:   "9.2 EB"} {
		if got := plain(Bytes(n)); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func flow(i int, s probe.State) wire.Flow {
	at := time.Date(2026, 11, 28, 10, 0, 0, 0, time.Local)
	return wire.Flow{Peer: wire.Peer{Client: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), ClientPort: 40000},
		Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("192.0.2.7"), Port: 417, Proto: probe.TCP}, State: s, First: at,
		Last: at.Add(time.Second), Sent: traffic.Volume{Packets: 3, Bytes: 17, Repeated: 1},
		RTT: probe.Millis(time.Millisecond), End: wire.Closed,
		Greeting: &traffic.Greeting{Protocol: "tls", ServerName: "a\x1b", JA4: "t13d"}}
}

func TestFlow(t *testing.T) {
	t.Parallel()
	const want = "10.0.0.1:40000 to 192.0.2.7:417/tcp: open, 1.00 ms, 17 bytes sent, 0 bytes received, " +
		"1 retransmission, " +
		`closed, TLS for a\x1b`
	var c Clients
	if indent, got := c.Take(flow(1, probe.Open), record.Verbose); indent != 4 ||
		plain(got) != "2026-11-28 10:00:00 to 10:00:01  "+want {
		t.Errorf("%d %q", indent, got)
	}
	began := flow(1, probe.Open)
	began.Event = wire.Began
	if _, got := c.Take(began, record.Normal); plain(got) !=
		"10:00:00 10.0.0.1:40000 to 192.0.2.7:417/tcp: open, 1.00 ms, closed, TLS for a\\x1b" {
		t.Errorf("%q", got)
	}
	if _, got := c.Take(began, record.Quiet); got != "" || c.Lines() != nil {
		t.Errorf("%q", got)
	}
	folded := flow(1, probe.Filtered)
	folded.LastClient, folded.Connections, folded.Tries = folded.Client.Next(), 7, 9
	if got := plain(Sentence(folded)); !strings.HasPrefix(got,
		"10.0.0.1-10.0.0.2 to 192.0.2.7:417/tcp: filtered, 7 flows, 9 tries") {
		t.Errorf("%q", got)
	}
}

func TestClients(t *testing.T) {
	t.Parallel()
	var c Clients
	for i := range 12 {
		c.Take(flow(i, probe.Open), record.Normal)
	}
	c.Take(flow(3, probe.Closed), record.Normal)
	lines := c.Lines()
	if len(lines) != 11 || plain(lines[10]) != "and 2 other clients (-v lists every flow)" ||
		!strings.HasPrefix(plain(lines[0]), "10.0.0.3   2 flows, 1 open, 1 closed, 1.00 ms, 34 bytes sent") {
		t.Errorf("%q", lines)
	}
	if c.Lines() != nil {
		t.Error("they are not forgotten")
	}
	for i := range keptClients + 5 {
		f := flow(0, probe.Closed)
		f.Client = netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		c.Take(f, record.Normal)
	}
	if len(c.of) != keptClients || c.more != 5 {
		t.Errorf("%d clients are kept, %d are not", len(c.of), c.more)
	}
}

func TestTotals(t *testing.T) {
	t.Parallel()
	got := plain(fmt.Sprint(Totals(&traffic.Totals{Clients: 2, Connections: 3, Answered: 1, Silent: 2,
		Received: traffic.Volume{Bytes: 5}})))
	if got != "[2 clients 3 flows (1 answered, 2 silent) 0 bytes sent, 5 bytes received]" || Totals(nil) != nil {
		t.Errorf("%q", got)
	}
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	o := wire.Outcome{Began: 1e18, Ended: 1e18 + 5e9, Lost: 2, Links: map[capture.LinkType]uint64{105: 3}}
	o.Packets, o.Matched, o.Folded = 9, 4, 1
	got := strings.Join(Coverage(o), "\n")
	for _, want := range []string{
		"9 packets passed, 4 of them to or from the ports, from 2001-09-09T01:46:40Z to 2001-09-09T01:46:45Z",
		"not read: 3 packets of link type 105 (802.11)", "2 packets lost before", "1 flow folded by client",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	if strings.Contains(got, phrase.NoBreak) {
		t.Error("documents have plain spaces")
	}
}
