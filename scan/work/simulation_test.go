package work

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/checkpoint"
	"onmux/scan/scantest"
	"onmux/scan/target"
	"onmux/scan/verdict"
)

// simulation is a scan by many workers, in virtual time. What they find out is not looked at.
type simulation struct {
	*testing.T
	hub  *hub
	plan *target.Plan
	dice *rand.Rand

	mu      sync.Mutex
	speeds  float64 // of the workers that are alive
	scanned float64 // endpoints, also of segments that were lost
	stop    map[*link]context.CancelFunc
	running sync.WaitGroup
}

// newSimulation is one of six ports of a network: a /8 has 100 million endpoints.
func newSimulation(t *testing.T, seed uint64, network string) *simulation {
	var ports []probe.Port
	for n := range uint16(6) {
		ports = append(ports, probe.Port{Number: 417 + n, Proto: probe.TCP})
	}
	return &simulation{
		T: t, hub: newHub(seed), dice: rand.New(rand.NewPCG(seed, 4)), stop: make(map[*link]context.CancelFunc),
		plan: scantest.NewPlan(t, ports, network),
	}
}

// add adds a worker of some speed, in probes a second.
func (s *simulation) add(zone string, speed float64) *link {
	l := s.hub.connect()
	ctx, stop := context.WithCancel(s.Context())
	w := &Worker{
		From: l, Zone: zone, Rate: speed, Log: func(string) {},
		Scan: func(ctx context.Context, _ *Request, c scan.Config) (*checkpoint.Part, scan.Outcome, error) {
			n := float64(c.Shard.Hi - c.Shard.Lo)
			wait(ctx, time.Duration(2*n/speed*float64(time.Second))+time.Second) // two passes, and waits at their ends
			s.mu.Lock()
			defer s.mu.Unlock()
			s.scanned += n
			return &checkpoint.Part{From: c.Shard.Lo, Cells: []verdict.Cell{verdict.CellOf(verdict.Silence, 2)}},
				scan.Outcome{}, ctx.Err()
		},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.speeds += speed
	s.stop[l] = stop
	s.running.Go(func() { _ = w.Run(ctx) })
	return l
}

// kill kills a worker at once: nothing of what it does arrives any more.
func (s *simulation) kill(l *link) {
	l.kill()
	s.stop[l]()
}

// run makes the scan, during which something else goes on until the channel is closed, and returns
// how long it took. Every segment has been answered once then.
func (s *simulation) run(zones []string, during func(over <-chan struct{})) time.Duration {
	s.Helper()
	q := &Requester{At: s.hub, Zones: zones, Log: func(string) {}}
	if _, err := q.Begin(s.Context(), s.plan, Settings{Seed: 7, Timeout: time.Second, Bound: 0.5}); err != nil {
		s.Fatal(err)
	}
	g := newGathering(q, nil)
	seen := make(map[string]bool)
	g.accept = func(queue int, c *chunk, _ []byte) error {
		key := fmt.Sprint(queue, " ", c.segment)
		if seen[key] {
			s.Errorf("segment %s counts twice", key)
		}
		seen[key] = true
		return nil
	}
	over := make(chan struct{})
	var other sync.WaitGroup
	other.Go(func() { during(over) })
	err := g.run(s.Context())
	took := time.Since(g.begun)
	close(over)
	other.Wait()
	if err != nil {
		s.Fatal(err)
	}
	if err := q.end(); err != nil {
		s.Fatal(err)
	}
	for queue := range q.request.queues() {
		if err := g.ledger.proof(queue, s.plan.Len()); err != nil {
			s.Errorf("queue %d: %v", queue, err)
		}
	}
	for _, stop := range s.stop {
		stop()
	}
	s.running.Wait()
	return took
}

// speed is of a worker: the fastest is five times as fast as the slowest.
func (s *simulation) speed() float64 { return 1000 * (1 + 4*s.dice.Float64()) }

func zoneOf(i int) string { return fmt.Sprint("z", i%8) }

// TestMakespan: 64 workers of unequal speed share 100 million endpoints in at most 10 % more than the
// time that they need at least, though messages are late and come twice.
func TestMakespan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, 417, "10.0.0.0/8")
		s.hub.double, s.hub.delay = 0.2, 50*time.Millisecond
		for i := range 64 {
			s.add(zoneOf(i), s.speed())
		}
		time.Sleep(10 * time.Second) // all are there
		took := s.run(nil, func(<-chan struct{}) {}).Seconds()
		ideal := 2 * float64(s.plan.Len()) / s.speeds
		t.Logf("%.0f s, at least %.0f s: %.3f", took, ideal, took/ideal)
		if took > 1.1*ideal {
			t.Errorf("it took %.0f s, and %.0f s are needed", took, ideal)
		}
	})
}

// TestDeaths: workers are killed at random, the server is away again and again: nothing is missing,
// nothing counts twice, and each death costs a segment at most.
func TestDeaths(t *testing.T) {
	t.Parallel()
	for network, zones := range map[string][]string{"10.0.0.0/8": nil, "10.0.0.0/11": {AllZones}} {
		synctest.Test(t, func(t *testing.T) {
			s := newSimulation(t, 417, network)
			s.hub.double, s.hub.delay = 0.2, 50*time.Millisecond
			links := make([]*link, 64)
			for i := range links {
				links[i] = s.add(zoneOf(i), s.speed())
			}
			time.Sleep(10 * time.Second)
			deaths := 0
			s.run(zones, func(over <-chan struct{}) {
				for {
					select {
					case <-time.After(time.Duration(1+s.dice.IntN(60)) * time.Second):
					case <-over:
						return
					}
					if deaths%10 == 9 {
						s.hub.away(10 * time.Second) // no longer than a lease
					}
					i := s.dice.IntN(len(links))
					s.kill(links[i])
					deaths++
					links[i] = s.add(zoneOf(i), s.speed())
				}
			})
			most := 0.0 // of a segment
			r, err := Decode(s.hub.request, nil)
			if err != nil {
				t.Fatal(err)
			}
			for n := range r.Segments() {
				most = max(most, float64(size(r.Segment(n))))
			}
			lost := s.scanned - float64(s.plan.Len())*float64(len(r.queues()))
			t.Logf("%d deaths, %d segments, %.1f %% scanned again", deaths, r.Segments(), 100*lost/float64(s.plan.Len()))
			if lost > most*float64(deaths) {
				t.Errorf("%.0f endpoints were scanned again after %d deaths, with %.0f in a segment", lost, deaths, most)
			}
		})
	}
}
