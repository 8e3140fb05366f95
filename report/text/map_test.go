package text_test

import (
	"net/netip"
	"strings"
	"testing"

	"onmux/probe"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/scan"
)

// drawn is a scan of so many addresses from first, of which the fifth is open.
func drawn(first string, n int) Stream {
	s := Sample()
	s.Findings = nil
	a := netip.MustParseAddr(first)
	for i := range n {
		r := probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}, State: probe.Closed,
			Reason: probe.Reset}
		if i == 4 {
			r.State, r.Reason = probe.Open, probe.SynAck
		}
		s.Findings = append(s.Findings, r)
		a = a.Next()
	}
	s.Ended = End{Complete: true, Summary: scan.Summary{Targets: uint64(n), States: map[string]uint64{"open": 1,
		"closed": uint64(n - 1)}}}
	return s
}

// TestMap: a terminal gets a map of a network that fits, of as many cells as
// there are addresses; a pipe and a quiet reader get none.
func TestMap(t *testing.T) {
	row := func(label string, cells string) string { return label + "  " + cells + "\n" }
	alike := drawn("10.0.0.0", 64)
	alike.Findings = alike.Findings[5:]
	for _, c := range []struct {
		name  string
		s     Stream
		o     Options
		lines []string
	}{
		{"a /26", drawn("10.0.0.0", 64), Options{Width: 80}, []string{row("10.0.0.0", "····█"+strings.Repeat("·", 59)),
			"  █ open   · closed"}},
		{"ASCII", drawn("10.0.0.0", 64), Options{Width: 80, ASCII: true},
			[]string{row("10.0.0.0", "....#"+strings.Repeat(".", 59)), "  # open   . closed"}},
		{"narrow", drawn("10.0.0.0", 64), Options{Width: 44},
			[]string{row("10.0.0.0 ", "····█"+strings.Repeat("·", 27)), row("10.0.0.32", strings.Repeat("·", 32))}},
		{"very narrow", drawn("10.0.0.0", 64), Options{Width: 20}, nil},
		{"IPv6", drawn("2001:db8::", 20), Options{Width: 80},
			[]string{row("2001:db8::", "····█"+strings.Repeat("·", 15))}},
		{"the end of all addresses", drawn("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0", 16), Options{Width: 80},
			[]string{row("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0", "····█"+strings.Repeat("·", 11))}},
		{"a /22", drawn("10.0.0.0", 1024), Options{Width: 80}, []string{row("10.0.3.192", strings.Repeat("·", 64))}},
		{"more than a /22", drawn("10.0.0.0", 1025), Options{Width: 80}, nil},
		{"a few", drawn("10.0.0.0", 15), Options{Width: 80}, nil},
		{"all alike", alike, Options{Width: 80}, nil},
		{"a pipe", drawn("10.0.0.0", 64), Options{}, nil},
		{"quiet", drawn("10.0.0.0", 64), Options{Width: 80, Verbosity: Quiet}, nil},
	} {
		got := textOf(t, c.s, c.o)
		for _, l := range c.lines {
			if !strings.Contains(got, l) {
				t.Errorf("%s: no line %q in\n%s", c.name, l, got)
			}
		}
		if c.lines == nil && strings.Contains(got, "····") {
			t.Errorf("%s: a map in\n%s", c.name, got)
		}
		fits(t, got, c.o)
	}
}

// TestMapOfNetworks: networks that are apart have rows of their own, which begin at a
// multiple of their length; what was not probed is blank.
func TestMapOfNetworks(t *testing.T) {
	s := drawn("10.0.0.5", 40)
	for i, f := range drawn("10.0.7.100", 10).Findings {
		if i < 3 || i > 5 {
			s.Findings = append(s.Findings, f)
		}
	}
	got := textOf(t, s, Options{Width: 80})
	for _, want := range []string{
		"10.0.0.0 " + "  " + strings.Repeat(" ", 5) + "····█" + strings.Repeat("·", 35) + "\n",
		"10.0.7.64" + "  " + strings.Repeat(" ", 36) + "···   ····\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no line %q in\n%s", want, got)
		}
	}
	scattered := drawn("10.0.0.0", 0)
	a := netip.MustParseAddr("10.0.0.0")
	for i := range 80 {
		r := probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}, State: probe.State(1 + i%2)}
		scattered.Findings = append(scattered.Findings, r)
		for range 256 {
			a = a.Next()
		}
	}
	if got := textOf(t, scattered, Options{Width: 80}); strings.Contains(got, "10.0.5.0  █") {
		t.Errorf("a map of scattered addresses:\n%s", got)
	}
}

// TestMapOfPorts: of what several ports of an address have, the first in the order of the
// legend shows, whatever came first.
func TestMapOfPorts(t *testing.T) {
	a := netip.MustParseAddr("10.0.0.0")
	last := netip.MustParseAddr("10.0.0.31")
	at := func(port uint16, state probe.State) Finding {
		return scan.Range{First: a, Last: last, Count: 32, Port: port, Proto: probe.TCP, State: state,
			Reason: probe.NoResponse}
	}
	s := drawn("10.0.0.0", 0)
	s.Findings = []Finding{at(1, probe.Filtered), at(2, probe.Closed), at(3, probe.Unreachable),
		probe.Result{Endpoint: probe.Endpoint{Addr: last, Port: 2, Proto: probe.TCP}, State: probe.Open,
			Reason: probe.SynAck}}
	if got := textOf(t, s, Options{Width: 80}); !strings.Contains(got, "10.0.0.0  "+strings.Repeat("░", 31)+"█\n") {
		t.Errorf("not the first state:\n%s", got)
	}
}

// TestMapHidesNothing: TCP and UDP have maps of their own, and of several ports of an address
// closed hides none that is filtered or unreachable.
func TestMapHidesNothing(t *testing.T) {
	s := drawn("10.0.0.0", 16)
	add := func(at byte, port uint16, proto probe.Proto, state probe.State) {
		s.Findings = append(s.Findings, probe.Result{Endpoint: probe.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 0, 0, at}),
			Port: port, Proto: proto}, State: state})
	}
	for i := range byte(16) {
		add(i, 417, probe.UDP, probe.Closed)
	}
	add(7, 80, probe.TCP, probe.Filtered)
	add(9, 80, probe.TCP, probe.Unreachable)
	add(4, 80, probe.TCP, probe.Filtered) // which is open on the other port
	add(3, 53, probe.UDP, probe.OpenFiltered)
	got := textOf(t, s, Options{Width: 100})
	for _, want := range []string{"10.0.0.0  ····█··░·×······\n",
		"TCP  █ open   ░ filtered   × unreachable   · closed  (of several ports the first of these)\n",
		"10.0.0.0  ···▒············\n", "UDP  ▒ open|filtered   · closed  (of several ports the first of these)\n"} {
		if !strings.Contains(strings.ReplaceAll(got, "\u00a0", " "), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
