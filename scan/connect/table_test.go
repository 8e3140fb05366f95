package connect

import (
	"context"
	"math"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/engine"
)

// tableMachine answers for probe.Do on a machine with a table of neighbors. An entry takes
// room for three seconds while a neighbor is missing, and for half a minute when it answers.
type tableMachine struct {
	mu      sync.Mutex
	limit   int
	others  int                      // entries of other programs
	until   map[netip.Addr]time.Time // an entry takes room
	most    int                      // entries at a time
	refused uint64
}

func newTableMachine(limit, others int) *tableMachine {
	return &tableMachine{limit: limit, others: others, until: make(map[netip.Addr]time.Time)}
}

// taken removes what takes no room any more and counts the rest; the lock is held.
func (m *tableMachine) taken() int {
	for a, t := range m.until {
		if !time.Now().Before(t) {
			delete(m.until, a)
		}
	}
	return m.others + len(m.until)
}

func (m *tableMachine) Read(context.Context, bool) (TableUse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u := TableUse{Limit: m.limit, Taken: m.taken()}
	for a := range m.until {
		u.Addrs = append(u.Addrs, a)
	}
	return u, nil
}

func (m *tableMachine) Refused(context.Context, bool) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refused, nil
}

func (m *tableMachine) live(a netip.Addr) bool { return a.As4()[3]%4 == 0 }

// ask never reports that an entry could not be made: TCP does not.
func (m *tableMachine) ask(ctx context.Context, e probe.Endpoint, o probe.Options) (probe.Result, error) {
	r := probe.Result{Endpoint: e, Reason: probe.NoNeighbor}
	hold, answer := 3*time.Second, 3*time.Second
	if m.live(e.Addr) {
		r.Reason, hold, answer = probe.Reset, 30*time.Second, time.Millisecond
	}
	if !m.enter(e.Addr, hold) {
		r.Reason, answer = probe.NoResponse, o.Timeout
	}
	if err := probe.Sleep(ctx, answer); err != nil {
		return probe.Result{}, err
	}
	r.State = probe.Verdict(e.Proto, r.Reason, true)
	return r, nil
}

func (m *tableMachine) enter(a netip.Addr, hold time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.taken()
	if _, ok := m.until[a]; !ok && n >= m.limit {
		m.refused++
		return false
	}
	m.until[a] = time.Now().Add(hold)
	m.most = max(m.most, m.taken()-m.others)
	return true
}

func (m *tableMachine) setOthers(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.others = n
}

var ownNetwork = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/16")}

// scanTable scans through the table and fails the test for every verdict that is wrong.
func scanTable(t *testing.T, m *tableMachine, own []netip.Prefix, targets string) (scan.Outcome, *Engine) {
	t.Helper()
	e := newEngine(Config{Own: own, Table: m}, maxAttempts, m.ask)
	o, err := scan.Run(
		t.Context(),
		scan.Config{Plan: connectPlan(t, targets), Engine: e, Rate: math.Inf(1), All: true, Retries: 1},
		func(f scan.Finding) error {
			r, ok := f.(probe.Result)
			want := probe.NoNeighbor
			if ok && m.live(r.Addr) {
				want = probe.Reset
			}
			if ok && r.Reason != want && r.Reason != probe.LocalError {
				t.Errorf("%v is %v", r.Endpoint, r.Reason)
			}
			return nil
		},
	)
	if err != nil {
		t.Error(err)
	}
	return o, e
}

// TestTableShared: a scan holds half of what others leave in the table, and two scans a third
// each, so that there is always room for others, and all verdicts are right.
func TestTableShared(t *testing.T) {
	for name, c := range map[string]struct{ others, scans, most int }{
		"alone":              {0, 1, 32},
		"beside others":      {24, 1, 20},
		"two scans at once":  {0, 2, 48},
		"others have a half": {40, 1, 12},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := newTableMachine(64, c.others)
			var all sync.WaitGroup
			for i := range c.scans {
				all.Go(func() {
					o, e := scanTable(t, m, ownNetwork, []string{"10.0.1.0/24", "10.0.2.0/24"}[i])
					if !o.Complete || o.States["closed"] != 64 {
						t.Errorf("%s: %+v", name, o)
					}
					if n := e.Notes(); len(n) != 1 || n[0] != (engine.Note{Kind: engine.NoteNeighborTable, Count: 64}) {
						t.Errorf("%s: notes %+v", name, n)
					}
				})
			}
			all.Wait()
			if m.most > c.most || m.refused > 0 {
				t.Errorf("%s: %d entries at a time, %d refused", name, m.most, m.refused)
			}
		})
	}
}

// TestTableFull: others fill the table, for a while or for good. It is waited for, and then
// neighbors are unknown; none is silent.
func TestTableFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTableMachine(64, 64)
		time.AfterFunc(10*time.Second, func() { m.setOthers(0) })
		if o, _ := scanTable(t, m, ownNetwork, "10.0.1.0/26"); !o.Complete || o.States["closed"] != 16 {
			t.Errorf("for a while: %+v", o)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		m := newTableMachine(64, 64)
		o, _ := scanTable(t, m, ownNetwork, "10.0.1.0/26")
		if o.Complete || o.States["unknown"] != 64 || m.refused > 0 {
			t.Errorf("for good: %+v, %d refused", o, m.refused)
		}
	})
}

// TestTableFullBehindARouter: the entry of a gateway can be refused, too.
func TestTableFullBehindARouter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTableMachine(64, 64)
		e := newEngine(Config{Table: m}, maxAttempts, m.ask)
		o, err := scan.Run(
			t.Context(),
			scan.Config{Plan: connectPlan(t, "10.9.0.0/28"), Engine: e, All: true, Retries: 1},
			func(f scan.Finding) error {
				if r, ok := f.(probe.Result); ok && (r.State != probe.Unknown || !strings.Contains(r.Error, "no room")) {
					t.Errorf("%+v", r)
				}
				return nil
			},
		)
		if err != nil || o.States["unknown"] != 16 {
			t.Errorf("%v, %+v", err, o)
		}
	})
}

// unreadable is a table that cannot be read.
type unreadable struct{}

func (unreadable) Read(context.Context, bool) (TableUse, error) {
	return TableUse{}, context.DeadlineExceeded
}
func (unreadable) Refused(context.Context, bool) (uint64, error) { return 0, context.DeadlineExceeded }

// TestTableUnknown: a table that cannot be read is assumed to be small.
func TestTableUnknown(t *testing.T) {
	for name, table := range map[string]Table{"none": nil, "refused": unreadable{}} {
		synctest.Test(t, func(t *testing.T) {
			l := newNeighborLimit(ownNetwork, table)
			begun := time.Now()
			a := netip.MustParseAddr("10.0.1.0")
			for range assumedRoom + 17 {
				if err := l.wait(t.Context(), a); err != nil {
					t.Fatal(err)
				}
				a = a.Next()
			}
			if d := time.Since(begun); d < 900*time.Millisecond || d > 1100*time.Millisecond || len(l.notes()) != 1 {
				t.Errorf("%s: %v, %v", name, d, l.notes())
			}
		})
	}
}
