package text_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

// attemptsStream is two endpoints that were asked several times: one that
// answers at different paces and loses some, one that a router forbids.
func attemptsStream() Stream {
	s := Stream{Started: Starts("probe"), Ended: Ends(2, map[string]uint64{"open": 1, "filtered": 1})}
	a := probe.Endpoint{Addr: netip.MustParseAddr("10.0.0.7"), Port: 417, Proto: probe.TCP}
	b := probe.Endpoint{Addr: netip.MustParseAddr("fd00::7"), Port: 417, Proto: probe.UDP}
	for i, ms := range []float64{0.12, 0.15, 0, 0.4, 12, 0.11, 0, 0.13, 0.2, 0.31} {
		try := probe.Attempt{Endpoint: a, Try: i + 1, Time: Noon.Add(time.Duration(i) * time.Second).UTC(),
			State: probe.Open, Reason: probe.SynAck, RTT: probe.Millis(ms * float64(time.Millisecond))}
		if ms == 0 {
			try.State, try.Reason = probe.Filtered, probe.NoResponse
		}
		s.Findings = append(s.Findings, try, probe.Attempt{Endpoint: b, Try: i + 1, Time: try.Time,
			State:  probe.Filtered,
			Reason: probe.AdminProhibited, RTT: probe.Millis(time.Millisecond),
			Responder: netip.MustParseAddr("fd00:1::1")})
	}
	ms := func(f float64) probe.Millis { return probe.Millis(f * float64(time.Millisecond)) }
	s.Findings = append(s.Findings,
		probe.Result{Endpoint: a, State: probe.Open, Reason: probe.SynAck, RTT: ms(0.31), Tries: 10,
			Details: probe.Details{Attempts: &probe.Attempts{Sent: 10, Answered: 8, Loss: 0.2,
				States: map[string]int{"open": 8, "filtered": 2}, Min: ms(0.11), Avg: ms(1.68), Max: ms(12),
				StdDev: ms(3.9)}}},
		probe.Result{Endpoint: b, State: probe.Filtered, Reason: probe.AdminProhibited, RTT: ms(1), Tries: 10,
			Responder: netip.MustParseAddr("fd00:1::1"),
			Details: probe.Details{Attempts: &probe.Attempts{Sent: 10, Loss: 1,
				States: map[string]int{"filtered": 10}}}})
	return s
}

// A sparkline is for terminals, in what letters they have.
func TestSparkline(t *testing.T) {
	s := attemptsStream()
	for _, tt := range []struct {
		Options
		want string
		is   bool
	}{
		{Options{Width: 80}, "▁▁x▁█▁x▁▁▁", true},
		{Options{Width: 80, ASCII: true}, "__x_#_x___", true},
		{Options{}, "▁", false},
		{Options{Width: 80, Verbosity: Quiet}, "▁", false},
	} {
		if got := textOf(t, s, tt.Options); strings.Contains(got, tt.want) != tt.is {
			t.Errorf("%+v: %q is in it: %v\n%s", tt.Options, tt.want, !tt.is, got)
		}
	}
}

// Times that are nearly the same make a flat line.
func TestFlatSparkline(t *testing.T) {
	s := attemptsStream()
	e := s.Findings[len(s.Findings)-2].(probe.Result)
	s.Findings = nil
	for i, rtt := range []int{100, 101, 110, 119} {
		s.Findings = append(s.Findings, probe.Attempt{Endpoint: e.Endpoint, Try: i + 1, State: probe.Open,
			RTT: probe.Millis(rtt * int(time.Microsecond))})
	}
	s.Findings = append(s.Findings, e)
	if got := textOf(t, s, Options{Width: 80}); !strings.Contains(got, "▁▁▁▁\n") {
		t.Error(got)
	}
}

// However many attempts there are, only the last are kept.
func TestManyAttempts(t *testing.T) {
	s := attemptsStream()
	last := s.Findings[len(s.Findings)-2]
	s.Findings = nil
	for i := range 1000 {
		s.Findings = append(s.Findings, probe.Attempt{Endpoint: last.(probe.Result).Endpoint, Try: i + 1,
			State: probe.Open, RTT: probe.Millis(1 + (i+20)%60)})
	}
	s.Findings = append(s.Findings, last)
	got := textOf(t, s, Options{Width: 200})
	if n := strings.Count(got, "▁"); n == 0 || n > 30 {
		t.Errorf("%d lowest bars", n)
	}
	if n := len([]rune(got[strings.Index(got, "▁"):strings.LastIndex(got, "█")])) + 1; n != 60 {
		t.Errorf("%d bars, want 60", n)
	}
}
