package connect

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/target"
)

// shortMachine answers for probe.Do on a machine that has so many descriptors.
type shortMachine struct {
	mu    sync.Mutex
	files int
	taken int
	most  int
	busy  int
}

func (m *shortMachine) ask(ctx context.Context, e probe.Endpoint, o probe.Options) (probe.Result, error) {
	m.mu.Lock()
	if m.taken >= m.files {
		m.busy++
		m.mu.Unlock()
		return probe.Result{}, fmt.Errorf("%s: %w: %w", e, probe.ErrBusy, syscall.EMFILE)
	}
	m.taken++
	m.most = max(m.most, m.taken)
	m.mu.Unlock()
	defer func() { m.mu.Lock(); m.taken--; m.mu.Unlock() }()
	r := probe.Result{Endpoint: e, Reason: probe.NoResponse}
	wait := o.Timeout
	if last := e.Addr.As4()[3]; last < 100 {
		r.Reason, wait = probe.Reset, 20*time.Millisecond
	}
	select {
	case <-time.After(wait):
		return r, nil
	case <-ctx.Done():
		return probe.Result{}, ctx.Err()
	}
}

func connectPlan(t *testing.T, targets ...string) *target.Plan {
	t.Helper()
	p, err := target.NewPlan(
		t.Context(),
		target.Config{Targets: targets, Ports: []probe.Port{{Number: 417, Proto: probe.TCP}}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func shortEngine(m *shortMachine) *Engine {
	return newEngine(Config{}, maxAttempts, m.ask)
}

// TestSurvivesShortage has far fewer descriptors than attempts: every
// verdict is right all the same.
func TestSurvivesShortage(t *testing.T) {
	for _, files := range []int{3, 50, 400} {
		synctest.Test(t, func(t *testing.T) {
			m := &shortMachine{files: files}
			plan := connectPlan(t, "10.0.0.0/22")
			o, err := scan.Run(
				t.Context(),
				scan.Config{Plan: plan, Engine: shortEngine(m), Retries: -1, Rate: math.Inf(1)},
				func(f scan.Finding) error {
					if r, ok := f.(probe.Result); ok && r.State == probe.Unknown {
						t.Errorf("%+v", r)
					}
					return nil
				},
			)
			if err != nil || !o.Complete || o.States["closed"] != 400 || o.States["filtered"] != 624 {
				t.Errorf("%d descriptors: %v, %+v", files, err, o)
			}
			notes := o.Notes
			if m.busy == 0 || len(notes) == 0 || notes[0].Kind != scan.NoteSlowed ||
				!strings.Contains(fmt.Sprint(notes[0].Cause), "out of local resources (too many open files)") {
				t.Errorf("%d descriptors: %d times busy, notes %+v", files, m.busy, notes)
			}
			if m.most > files {
				t.Errorf("%d taken of %d", m.most, files)
			}
			t.Logf("%d descriptors: %v, %d times busy, %+v", files, time.Duration(o.Duration), m.busy, notes)
		})
	}
}

// TestShortForGood never gets a descriptor: all is unknown, with the
// reason, after half a minute.
func TestShortForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := connectPlan(t, "10.0.0.0/18")
		unknown := uint64(0)
		start := time.Now()
		o, err := scan.Run(
			t.Context(),
			scan.Config{Plan: plan, Engine: shortEngine(&shortMachine{}), Retries: -1},
			func(f scan.Finding) error {
				text := ""
				switch f := f.(type) {
				case probe.Result:
					unknown++
					text = f.Error
				case scan.Range:
					unknown += f.Count
					text = f.Error
				}
				if !strings.Contains(text, "too many open files") {
					t.Errorf("%+v", f)
				}
				return nil
			},
		)
		if err != nil || o.Complete || o.States["unknown"] != plan.Len() || unknown != plan.Len() {
			t.Errorf("%v, %+v, %d unknown", err, o, unknown)
		}
		if d := time.Since(start); d > 40*time.Second {
			t.Errorf("gave up after %v", d)
		}
	})
}

// TestClosedWhileShort closes an engine whose attempts wait for
// descriptors: they are answered with local errors, not with silence.
func TestClosedWhileShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := shortEngine(&shortMachine{})
		p := engine.Probe{
			Endpoint: probe.Endpoint{Addr: netip.MustParseAddr("10.0.0.1"), Port: 417, Proto: probe.TCP},
			Try:      1,
			Wait:     time.Second,
		}
		if n, err := e.Send(t.Context(), []engine.Probe{p}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		synctest.Wait()
		if n, err := e.Send(t.Context(), []engine.Probe{p}); n != 0 || !errors.Is(err, probe.ErrBusy) {
			t.Errorf("Send while short: %d, %v", n, err)
		}
		if e.Pending() != 1 {
			t.Errorf("%d pending", e.Pending())
		}
		e.Close()
		buf := make([]engine.Answer, 4)
		n, err := e.Receive(t.Context(), buf)
		if n != 1 || err != nil || buf[0].Reason != probe.LocalError || buf[0].Error == "" || buf[0].Try != 1 {
			t.Errorf("%d, %v, %+v", n, err, buf[0])
		}
	})
}
