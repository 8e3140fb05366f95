package scan_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/forecast"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
)

// picky is an engine whose hosts answer one try alone, as services do that know one
// of the questions; it counts how often each endpoint is asked.
type picky struct {
	*simnet.Network
	mu    sync.Mutex
	asked map[probe.Endpoint]int
}

func (e *picky) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	e.mu.Lock()
	for _, p := range batch {
		e.asked[p.Endpoint]++
	}
	e.mu.Unlock()
	return e.Network.Send(ctx, batch)
}

// TestPayloadsInTurn: a silent UDP port is asked as often as it has payloads, within
// --retries, and as long as few are silent. TCP, and addresses where no neighbor
// is, are not; what answers is not asked on, and is no loss.
func TestPayloadsInTurn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		targets         string
		retries         int
		passes          int
		tcp, udp, known int // tries of silent endpoints: 417/tcp, 417/udp, 53/udp alone
	}{
		{"10.0.0.0/24", -1, 11, 2, 11, 2},
		{"10.0.0.0/24", 14, 15, 2, 15, 2},
		{"10.0.0.0/24", 4, 5, 2, 5, 2},
		{"10.0.0.0/24", 1, 2, 2, 2, 2},
		{"10.0.0.0/24", 0, 1, 1, 1, 1},
		{"10.0.0.0/18", -1, 2, 2, 2, 2}, // too many
	} {
		t.Run(fmt.Sprint(c.targets, c.retries), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := func(ports []probe.Port) (*picky, *scantest.Scan) {
					e := &picky{asked: make(map[probe.Endpoint]int)}
					e.Network = simnet.New(simnet.Config{KnowsTry: true, Host: func(at probe.Endpoint) simnet.Host {
						switch last := lastByte(at.Addr); {
						case at.Proto == probe.TCP && last < 32:
							return simnet.Host{Reason: probe.Reset, RTT: time.Millisecond}
						case last < 8 && e.asked[at] == 7:
							return simnet.Host{Reason: probe.UDPResponse, RTT: time.Millisecond}
						case last >= 200:
							return simnet.Host{Reason: probe.NoNeighbor, RTT: time.Millisecond}
						}
						return simnet.Host{}
					}})
					plan := scantest.NewPlan(t, ports, c.targets)
					s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: e, Retries: c.retries})
					s.RequireComplete(t)
					return e, &s
				}
				onmux := []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 417, Proto: probe.UDP}}
				e, s := tries(onmux)
				if s.Passes != c.passes {
					t.Errorf("%d passes", s.Passes)
				}
				open := uint64(0)
				if c.passes >= 7 {
					open = 8
				}
				if s.States["open"] != open || s.Loss == nil && c.retries != 0 || s.Loss != nil && *s.Loss != 0 {
					t.Errorf("%+v", s.Summary)
				}
				for at, n := range e.asked {
					want, last := c.udp, lastByte(at.Addr)
					switch {
					case at.Proto == probe.TCP && last < 32:
						continue // those that answered are asked again to find the pace
					case at.Proto == probe.TCP:
						want = c.tcp
					case last < 8:
						want = min(want, 7)
					case last >= 200:
						want = min(want, 2)
					}
					if n != want {
						t.Errorf("%v: %d tries, not %d", at, n, want)
					}
				}
				e, _ = tries([]probe.Port{{Number: 53, Proto: probe.UDP}})
				for at, n := range e.asked {
					if n != c.known {
						t.Errorf("%v: %d tries, not %d", at, n, c.known)
					}
				}
			})
		})
	}
}

// TestForecastOfSilence: the forecast counts the payloads too.
func TestForecastOfSilence(t *testing.T) {
	onmux := []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 417, Proto: probe.UDP}}
	for _, c := range []struct {
		ports   []probe.Port
		targets string
		retries int
	}{
		{onmux, "10.0.0.0/24", -1}, {onmux, "10.0.0.0/24", 1}, {onmux, "10.0.0.0/24", 0}, {onmux, "10.0.0.0/19", 3},
		{onmux[1:], "10.0.0.0/24", 14}, {onmux[:1], "10.0.0.0/24", 14}, {[]probe.Port{{Number: 161, Proto: probe.UDP}},
			"10.0.0.0/28", 10},
	} {
		synctest.Test(t, func(t *testing.T) {
			config := scan.Config{Plan: scantest.NewPlan(t, c.ports, c.targets), Retries: c.retries}
			f, err := forecast.New(t.Context(), config, "")
			if err != nil {
				t.Fatal(err)
			}
			config.Engine = simnet.New(simnet.Config{Host: func(probe.Endpoint) simnet.Host { return simnet.Host{} }})
			s := scantest.Run(t.Context(), config)
			s.RequireComplete(t)
			if s.Probes != f.Probes.Silent {
				t.Errorf("%v %s %d: %d probes, and %d foreseen", c.ports, c.targets, c.retries, s.Probes, f.Probes.Silent)
			}
			took, want := time.Duration(s.Duration), time.Duration(f.Time.Silent)*time.Millisecond
			if took > want+want/10 || took < want-want/10 {
				t.Errorf("%v %s %d: %v, and %v foreseen", c.ports, c.targets, c.retries, took, want)
			}
		})
	}
}

// TestForecastOfNeighbors: a scan that connects waits for room in the table of neighbors.
func TestForecastOfNeighbors(t *testing.T) {
	ports := []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 418, Proto: probe.TCP}}
	use := func(n uint64, room int) *engine.NeighborUse {
		return &engine.NeighborUse{Neighbors: n, Limit: 1024, Room: room}
	}
	for _, c := range []struct {
		rate  float64
		ports int
		use   *engine.NeighborUse
		want  *forecast.Outlook // beside the forecast without neighbors; nil: the same
	}{
		{0, 1, nil, nil},
		{0, 1, use(254, 512), nil},
		{0, 1, use(4096, 512), &forecast.Outlook{Answering: 210e3, Silent: 45e3, Most: 690e3}},
		{0, 2, use(4096, 512), &forecast.Outlook{Answering: 450e3, Silent: 93e3, Most: 1410e3}},
		{math.Inf(1), 1, use(4096, 256), &forecast.Outlook{Answering: 450e3, Silent: 93e3, Most: 1410e3}},
	} {
		plan := scantest.NewPlan(t, ports[:c.ports], "10.0.0.0/20")
		config := scan.Config{Plan: plan, Rate: c.rate, NetRate: math.Inf(1), Retries: 2}
		f, err := forecast.New(t.Context(), config, "")
		if err != nil {
			t.Fatal(err)
		}
		want := f.Time
		if c.want != nil {
			want = c.want
		}
		f.LimitNeighbors(c.use)
		if f.Time == nil || *f.Time != *want || f.Neighbors != c.use {
			t.Errorf("%+v: %+v, want %+v", c.use, f.Time, want)
		}
	}
}
