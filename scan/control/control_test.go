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

// fakeScan is a scan whose hosts answer a repeated probe if answers is not nil and
// returns true.
type fakeScan struct {
	watch       *Watch
	sent        uint64
	asked       int
	answers     func(index uint64) bool
	slowed      []Cause
	revalidated int
}

func (s *fakeScan) Repeat(_ context.Context, indexes []uint64, _ time.Duration) (int, error) {
	for _, i := range indexes {
		s.asked++
		if s.answers != nil && s.answers(i) {
			s.watch.MarkRepeats([]engine.Answer{{Index: i}}, make([]bool, 1))
		}
	}
	s.sent += uint64(len(indexes))
	return len(indexes), nil
}

func (s *fakeScan) Wait() time.Duration                          { return 100 * time.Millisecond }
func (s *fakeScan) Sleep(_ context.Context, pause time.Duration) { time.Sleep(pause) }
func (s *fakeScan) Sent() uint64                                 { return s.sent }
func (s *fakeScan) SlowDown(why Cause)                           { s.slowed = append(s.slowed, why) }
func (s *fakeScan) Revalidate()                                  { s.revalidated++ }

// watched is a watch that knows 1,000 hosts which have answered.
func watched(off bool) (*fakeScan, *Watch) {
	s := &fakeScan{sent: 1e6}
	w := NewWatch(s, off)
	s.watch = w
	for i := range uint64(1000) {
		w.Answered([]uint64{i})
	}
	w.settle() // those were before
	w.next, w.after = time.Time{}, 0
	return s, w
}

// check calls Check as a scan does, for some time.
func check(t *testing.T, w *Watch, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if s := w.scan.(*fakeScan); s != nil {
			s.sent += 1000
		}
		if err := w.Check(t.Context(), time.Now()); err != nil {
			return err
		}
	}
	return nil
}

func TestWatch(t *testing.T) {
	for name, c := range map[string]struct {
		off     bool
		answers func(s *fakeScan, i uint64) bool
		slowed  bool
		lost    bool
	}{
		"all answer":  {answers: func(*fakeScan, uint64) bool { return true }},
		"half answer": {answers: func(_ *fakeScan, i uint64) bool { return i%2 == 0 }},
		"half answer, and all after a pause": {
			answers: func(s *fakeScan, i uint64) bool { return i%2 == 0 || s.revalidated > len(s.slowed) }, slowed: true,
		},
		"none answer":            {answers: func(*fakeScan, uint64) bool { return false }, lost: true},
		"none answer, not asked": {off: true, answers: func(*fakeScan, uint64) bool { return false }},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, w := watched(c.off)
			s.answers = func(i uint64) bool { return c.answers(s, i) }
			err := check(t, w, 20*time.Second)
			if lost := errors.As(err, new(PathLost)); lost != c.lost || lost != w.Lost() || err != nil && !lost {
				t.Errorf("%s: %v, lost %v", name, err, w.Lost())
			}
			if (len(s.slowed) > 0) != c.slowed {
				t.Errorf("%s: slowed down by %v", name, s.slowed)
			}
			if (s.asked == 0) != c.off {
				t.Errorf("%s: %d hosts were asked again", name, s.asked)
			}
		})
	}
}

// TestConfirmAfterAnOutage: hosts that stop for a while and come back make another
// pass necessary, once.
func TestConfirmAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, w := watched(false)
		back := time.Now().Add(time.Second)
		s.answers = func(uint64) bool { return time.Now().After(back) }
		for _, want := range []bool{true, false} {
			if again, err := w.Confirm(t.Context(), true); again != want || err != nil {
				t.Errorf("again %v, %v, want %v", again, err, want)
			}
		}
		if !w.HadOutage() || w.Lost() {
			t.Errorf("outage %v, lost %v", w.HadOutage(), w.Lost())
		}
	})
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
