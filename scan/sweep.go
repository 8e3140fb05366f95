package scan

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"onmux/probe"
	"onmux/scan/target"
)

const (
	// icmpBurst is how many unreachables a Linux host sends to one peer before
	// it falls back to one a second (net.ipv4.icmp_ratelimit, XRLIM_BURST_FACTOR
	// in net/ipv4/route.c). Others are stricter, few are more generous.
	icmpBurst = 6
)

// byProto is something for each transport protocol.
type byProto[T any] [probe.UDP + 1]T

// sweep is one run. Whoever has the turn, which is the goroutine of run or one of
// a pass, owns the fields above mu; those below are shared with the receiver.
type sweep struct {
	Config
	order  *target.Order
	addrs  uint64        // addresses of the plan: endpoints of one port
	protos []probe.Proto // of the plan's ports, by port index
	ports  byProto[int]  // how many ports each protocol is asked on
	size   uint64        // endpoints of the shard

	begun   time.Time
	pace    *pacer
	walk    walk
	sent    uint64      // probes
	sentAt  time.Time   // when the last one left
	timer   *time.Timer // of sleep
	monitor monitor     // of Watch
	turn    sync.Mutex  // of the goroutines of a pass
	crew    []*hand
	out     *emitter
	halt    func(error) // ends the sweep's context
	methods map[string]string
	retold  map[uint64]*probe.Result // open endpoints that an earlier run found
	limited limited                  // whose silence decides nothing, or less than it seems, as of the last pass

	mu       sync.Mutex
	passes   int          // begun so far; this and the next two change in the sender alone
	done     byProto[int] // passes that each protocol has behind it
	over     bool         // the last pass has ended, and its answers were waited for
	table    *table
	tally    byProto[tally]
	owed     byProto[int64] // endpoints that a later pass may ask
	quiet    byProto[int64] // endpoints that were asked and are silent so far
	short    error          // why some could never be asked
	failure  string         // a local error, for those whose own was not kept
	open     uint64
	strays   uint64   // answers that fit no question
	repeated uint64   // answers that say again what is known
	late     uint64   // answers to a try before the last
	disputes uint64   // answers that contradict another
	disputed []string // some of those
	rtt      rtt
	stamps   stamps
	before   stamps // of the pass before
	journal  journal
	flight   time.Duration // the longest time from when a batch was stamped until it was known to have left
	known    familiar
	routers  routers
	fresh    fresh
}

// walk is where a pass stands in the order.
type walk struct {
	pos, end uint64
	asks     byProto[bool]
	turns    bool // it goes on through the payloads of UDP ports
}

func newSweep(c Config) *sweep {
	s := &sweep{
		Config: c,
		order:  target.NewOrder(c.Plan.Len(), c.Seed),
		addrs:  c.Plan.AddrCount(),
		size:   c.Shard.Size(c.Plan.Len()),
		table:  newTable(c.Plan.Len()),
		over:   true,
	}
	s.crew = newCrew(c.Engine)
	s.methods = methodNames(c.Plan, c.Engine)
	s.known = newFamiliar(s.methods)
	s.fresh = newFresh(s.methods)
	s.routers.errors = make(map[netip.Addr]int)
	s.journal.on = c.Checkpoint != ""
	for _, p := range c.Plan.Ports() {
		s.protos = append(s.protos, p.Proto)
		s.ports[p.Proto]++
	}
	if c.Resume != nil {
		s.restore(c.Resume)
	}
	return s
}

// owes says which protocols another pass is owed: the first, one that confirms
// the silence that it met, and from then on as many as the loss demands.
func (s *sweep) owes() (asks byProto[bool], more bool) {
	if s.passes == 0 {
		return byProto[bool]{probe.TCP: true, probe.UDP: true}, true
	}
	if s.passes > s.Retries {
		return asks, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var missed byProto[float64]
	var sum, asked float64
	for _, p := range probe.Protos() {
		if s.ports[p] > 0 {
			asked++
		}
		switch {
		case s.owed[p] == 0:
		case s.done[p] == 1:
			asks[p], more = true, true
		default:
			_, missed[p], _ = s.loss(p)
			sum += missed[p]
		}
	}
	if sum >= s.Bound {
		for p := range missed {
			if missed[p] >= s.Bound/asked && s.owed[p] > 0 {
				asks[p], more = true, true
			}
		}
	}
	return asks, more
}

// loss is what the passes so far say of protocol p: the share of attempts at
// answering hosts that brought nothing, and how many such hosts are still told
// silent. It is false if that cannot be measured. The caller holds mu.
func (s *sweep) loss(p probe.Proto) (share, missed float64, ok bool) {
	return s.lossBy(p, s.heard(p))
}

// lossBy is loss by the answers of a tally.
func (s *sweep) lossBy(p probe.Proto, t tally) (share, missed float64, ok bool) {
	if s.quiet[p] == 0 {
		share, ok = t.lossOfAll()
		return share, 0, ok
	}
	share, missed, ok = t.loss(s.done[p])
	return share, min(missed, float64(s.quiet[p])), ok
}

// heard is the tally of a protocol, without what came at a limited rate.
func (s *sweep) heard(p probe.Proto) tally {
	t := s.tally[p]
	if p == probe.UDP {
		t.drop(&s.limited.refused)
	}
	return t
}

// begin begins a pass that asks those protocols, or goes on through payloads.
func (s *sweep) begin(asks byProto[bool], turns bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passes++
	s.over = false
	s.walk = walk{pos: uint64(s.Shard.I - 1), end: s.Plan.Len(), asks: asks, turns: turns}
	s.stamps, s.before = s.before, s.stamps
	s.stamps.begin()
	s.journal.settled = 0
	owed := s.size
	if s.passes > 1 {
		owed = 0
		for p, asks := range asks {
			if asks {
				owed += uint64(s.owed[p])
			}
		}
	}
	s.monitor.total = s.sent + owed
	if s.passes > 1 {
		s.doubt()
	}
}

// end ends a pass whose answers were waited for.
func (s *sweep) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for p, asks := range s.walk.asks {
		if asks {
			s.done[p]++
		}
	}
	s.limited = s.findLimited()
}

// giveUp makes every endpoint that could never be asked for want of resources
// one whose state is unknown.
func (s *sweep) giveUp(err error) {
	var short errExhausted
	if s.passes > 1 || !errors.As(err, &short) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.short = short.error
	for pos := uint64(s.Shard.I - 1); pos < s.walk.end; pos += uint64(s.Shard.N) {
		if i := s.order.Index(pos); !s.table.cells[i].asked() {
			s.table.cells[i] = cellOf(localError, 0)
		}
	}
}
