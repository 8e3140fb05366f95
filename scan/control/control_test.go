package control

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"onmux/scan/engine"
)

// fakeScan is a scan whose controls answer if answers returns true.
type fakeScan struct {
	watch       *Watch
	sent        uint64
	asked       int
	answers     func(index uint64) bool
	voids       []Void
	slowed      []Cause
	revalidated int
}

func (s *fakeScan) Ask(_ context.Context, controls []Control, _ time.Duration) (int, error) {
	for _, c := range controls {
		s.asked++
		if s.answers(c.Index) {
			s.watch.MarkControls([]engine.Answer{{Index: c.Index, Try: engine.MaxTries + c.Flow}}, make([]bool, 1))
		}
	}
	return len(controls), nil
}

func (s *fakeScan) Wait() time.Duration                          { return 100 * time.Millisecond }
func (s *fakeScan) Sleep(_ context.Context, pause time.Duration) { time.Sleep(pause) }
func (s *fakeScan) Sent() uint64                                 { return s.sent }
func (s *fakeScan) Mark(now time.Time) Mark                      { return Mark{Pass: 1, Pos: s.sent, At: now} }
func (s *fakeScan) SlowDown(_ float64, why Cause)                { s.slowed = append(s.slowed, why) }
func (s *fakeScan) Revalidate()                                  { s.revalidated++ }
func (s *fakeScan) Paths() []engine.Path                         { return nil }
func (s *fakeScan) Void(v []Void)                                { s.voids = append(s.voids, v...) }

// watched is a watch of a scan of 65,536 addresses of which hosts have answered.
func watched(hosts uint64) (*fakeScan, *Watch) {
	s := &fakeScan{answers: func(uint64) bool { return true }}
	w := NewWatch(s, Layout{Addresses: 65536}, time.Now())
	s.watch = w
	for i := range hosts {
		w.Answered([]Answerer{{Index: i * (65536 / hosts)}}, time.Now().Add(-time.Hour))
	}
	return s, w
}

// check calls Check as a scan of 10,000 probes a second does, for some time.
func check(t *testing.T, s *fakeScan, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		s.sent += 100
		controls, err := s.watch.Check(t.Context(), time.Now())
		if err != nil {
			return err
		}
		if _, err := s.Ask(t.Context(), controls, s.Wait()); err != nil {
			return err
		}
	}
	return nil
}

func TestWatch(t *testing.T) {
	for name, c := range map[string]struct {
		hosts   uint64
		answers func(s *fakeScan, i uint64) bool
		slowed  bool
		voids   bool
		lost    bool
	}{
		"all answer":        {hosts: 1000, answers: func(*fakeScan, uint64) bool { return true }},
		"the only host":     {hosts: 1, answers: func(*fakeScan, uint64) bool { return true }},
		"half answer":       {hosts: 1000, answers: func(s *fakeScan, _ uint64) bool { return s.asked%2 == 0 }},
		"half of the hosts": {hosts: 1000, answers: func(_ *fakeScan, i uint64) bool { return i/65%2 == 0 }},
		"half answer, and all after a pause": {
			hosts:   1000,
			answers: func(s *fakeScan, _ uint64) bool { return s.asked%2 == 0 || s.revalidated > 0 }, slowed: true, voids: true,
		},
		"none answer":      {hosts: 1000, answers: func(*fakeScan, uint64) bool { return false }, voids: true, lost: true},
		"the only stops":   {hosts: 1, answers: func(*fakeScan, uint64) bool { return false }, voids: true, lost: true},
		"no host is known": {answers: func(*fakeScan, uint64) bool { return false }},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, w := watched(c.hosts)
			s.answers = func(i uint64) bool { return c.answers(s, i) }
			err := check(t, s, 20*time.Second)
			if lost := errors.As(err, new(PathLost)); lost != c.lost || lost != w.Lost() || err != nil && !lost {
				t.Errorf("%s: %v, lost %v", name, err, w.Lost())
			}
			if (len(s.slowed) > 0) != c.slowed {
				t.Errorf("%s: slowed down by %v", name, s.slowed)
			}
			if (len(s.voids) > 0) != c.voids {
				t.Errorf("%s: voids %+v", name, s.voids)
			}
			if n := uint64(s.asked); c.hosts == 0 != (n == 0) || !c.lost && float64(n) > minProbes+costShare*float64(s.sent) {
				t.Errorf("%s: %d control probes beside %d", name, n, s.sent)
			}
		})
	}
}

// TestVoids: an outage makes exactly that silence void that may be its own: none
// from before the last control that answered, and all up to one that answers again.
func TestVoids(t *testing.T) {
	for _, hosts := range []uint64{1, 2, 30, 1000} {
		synctest.Test(t, func(t *testing.T) {
			s, w := watched(hosts)
			if err := check(t, s, 30*time.Second); err != nil || len(s.voids) > 0 {
				t.Fatalf("%d hosts: %v, voids %+v", hosts, err, s.voids)
			}
			from, at := time.Now(), s.sent
			to := from.Add(10 * time.Second)
			s.answers = func(uint64) bool { return time.Now().After(to) }
			if err := check(t, s, 30*time.Second); err != nil {
				t.Fatalf("%d hosts: %v", hosts, err)
			}
			if err := w.Confirm(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(s.voids) == 0 {
				t.Fatalf("%d hosts: no void", hosts)
			}
			v := s.voids[0]
			if v.Hi > 0 || v.From.At.After(from) || v.From.Pos > at || v.To.At.Before(to) || v.Lost {
				t.Errorf("%d hosts: void %+v, and the outage was from %v to %v", hosts, v, from, to)
			}
			if before := from.Sub(v.From.At); before > 3*time.Second {
				t.Errorf("%d hosts: %v before the outage are void", hosts, before)
			}
		})
	}
}

// TestConfirm: silence counts when a control has answered after it, and what no
// control vouches for in time is void for good.
func TestConfirm(t *testing.T) {
	for name, c := range map[string]struct {
		after time.Duration // when controls begin to answer again
		lost  bool
	}{"at once": {}, "later": {after: 5 * time.Second}, "never": {after: time.Hour, lost: true}} {
		synctest.Test(t, func(t *testing.T) {
			s, w := watched(100)
			if err := check(t, s, 5*time.Second); err != nil {
				t.Fatal(err)
			}
			end := s.sent
			back := time.Now().Add(c.after)
			s.answers = func(uint64) bool { return !time.Now().Before(back) }
			if err := w.Confirm(t.Context()); err != nil {
				t.Fatal(err)
			}
			if w.Lost() != c.lost || (len(s.voids) > 0) != (c.after > 0) {
				t.Errorf("%s: lost %v, voids %+v", name, w.Lost(), s.voids)
			}
			for _, v := range s.voids {
				if v.Lost != c.lost || v.To.Pos != end {
					t.Errorf("%s: void %+v", name, v)
				}
			}
		})
	}
}

// TestAreas: a part of the network that goes dark is found by its own controls, and
// the rest is not concerned.
func TestAreas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := watched(1000)
		if err := check(t, s, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		s.answers = func(i uint64) bool { return i < 3*65536/4 }
		if err := check(t, s, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		if err := w.Confirm(t.Context()); err != nil {
			t.Fatal(err)
		}
		l := Layout{Addresses: 65536}
		lost := func(i uint64) (yes bool) {
			for _, v := range s.voids {
				_, lost := l.Tries([]Void{v}, i, v.To.Pos-1)
				yes = yes || lost
			}
			return yes
		}
		if !w.Lost() || lost(100) || lost(40_000) || !lost(50_000) || !lost(65_000) {
			t.Errorf("voids %+v", s.voids)
		}
	})
}

// TestWindows: however long a scan takes, its windows are few, of equal length and lose no probe.
func TestWindows(t *testing.T) {
	for _, length := range []time.Duration{0, time.Second, time.Minute, 30 * time.Hour} {
		var w windows
		const probes = 1000
		for i := range probes {
			w.at(time.Unix(0, 0).Add(length * time.Duration(i) / probes)).add(i%4 > 0)
		}
		var asked, answered uint64
		for i, v := range w.list() {
			asked += v.Asked
			answered += v.Answered
			if v.To.Sub(v.From) != w.length || i > 0 && v.From.Before(w.list()[i-1].To) {
				t.Errorf("%v: %+v", length, w.list())
			}
		}
		if n := len(w.list()); asked != probes || answered != probes*3/4 || n > maxWindows ||
			length > time.Minute && n < maxWindows/4 {
			t.Errorf("%v: %d windows, %d probes, %d answered", length, n, asked, answered)
		}
	}
}

func TestRouters(t *testing.T) {
	busy, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	start := time.Unix(0, 0)
	for errors, want := range map[int]bool{70: false, 100: true} {
		var r Routers
		r.Busiest(start, 0)
		for range errors {
			r.Count([]netip.Addr{busy})
		}
		r.Count([]netip.Addr{other})
		if _, _, tooMany := r.Busiest(start.Add(routerWindow/2), 500); tooMany {
			t.Error("a window ended early")
		}
		rate, why, tooMany := r.Busiest(start.Add(routerWindow), 1000)
		if tooMany != want || want && (why != RouterErrors{busy, maxRouterICMPRate} || rate != 8000) {
			t.Errorf("%d errors in %v: %v, %v, %v", errors, routerWindow, rate, why, tooMany)
		}
		if _, _, tooMany := r.Busiest(start.Add(2*routerWindow), 2000); tooMany {
			t.Error("errors of an earlier window count")
		}
	}
}
