package wire

import (
	"cmp"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/probe/traffic"
	"onmux/scan"
	"onmux/scan/capture"
	"onmux/scan/verdict"
)

// Finding is a record: probe.Result, scan.Range or Flow.
type Finding = scan.Finding

// Outcome is what a watch ends with.
type Outcome struct {
	Count
	scan.Summary
	Links map[capture.LinkType]uint64 // packets of link types that are not read
	Began int64                       // when the first packet passed, in nanoseconds since 1970
	Ended int64
	Lost  uint64 // packets that the programs that captured had to drop
}

// groups are the endpoints by port and address, and their flows by endpoint. They hold
// numbers in few pieces: there may be a million.
type groups struct {
	ends     *endpointTable
	table    *flowTable
	services *identifier
	scope    *scope
	order    []uint32 // endpoints
	starts   []uint32 // where the flows of an endpoint begin, by its number; one more for the end
	flows    []uint32
	folded   []sum // by endpoint
}

// sum is flows of an endpoint that were folded.
type sum struct {
	endpoint uint32
	*folded
}

func (g *groups) flowsOf(e uint32) []uint32 { return g.flows[g.starts[e]:g.starts[e+1]] }

func (g *groups) foldedOf(e uint32) []sum {
	from, _ := slices.BinarySearchFunc(g.folded, e, func(s sum, e uint32) int { return cmp.Compare(s.endpoint, e) })
	to := from
	for to < len(g.folded) && g.folded[to].endpoint == e {
		to++
	}
	return g.folded[from:to]
}

// group makes groups of what was seen.
func (t *tracker) group() *groups {
	g := &groups{ends: &t.ends, table: &t.flows, services: t.services, scope: t.scope, order: make([]uint32, t.ends.len()),
		starts: make([]uint32, t.ends.len()+1), flows: make([]uint32, t.flows.len())}
	t.flows.each(func(_ uint32, f *flow) { g.starts[f.endpoint+1]++ })
	for i := range g.order {
		g.order[i] = uint32(i)
		g.starts[i+1] += g.starts[i]
	}
	next := slices.Clone(g.starts)
	t.flows.each(func(i uint32, f *flow) {
		g.flows[next[f.endpoint]] = i
		next[f.endpoint]++
	})
	for k, s := range t.sums.of {
		g.folded = append(g.folded, sum{k.endpoint, s})
	}
	slices.SortFunc(g.folded, func(a, b sum) int {
		return cmp.Or(cmp.Compare(a.endpoint, b.endpoint), compare(a.first, b.first), compare(a.last, b.last),
			cmp.Compare(a.cell, b.cell))
	})
	slices.SortFunc(g.order, func(a, b uint32) int {
		x, y := &t.ends.at(a).key, &t.ends.at(b).key
		return cmp.Or(cmp.Compare(x.port, y.port), cmp.Compare(x.proto, y.proto), compare(x.addr, y.addr))
	})
	return g
}

// Result emits what was seen, in order: each endpoint that was asked, with its flows behind
// it. Neighboring endpoints that are not open and of which the same is known are one
// scan.Range, unless each is asked for. The watch is over then.
func (w *Watch) Result(each bool, emit func(Finding) error) (Outcome, error) {
	w.tracker.services.finish(w.now)
	w.unpack.fragments.expire(1<<63 - 1)
	out := Outcome{Count: w.count(), Links: w.links, Began: w.scope.began, Ended: w.scope.ended, Lost: w.lost}
	out.States = make(map[string]uint64)
	out.Duration = probe.Millis(out.Ended - out.Began)
	g := w.tracker.group()
	for all := g.order; len(all) > 0; {
		n := 1
		if g.ends.at(all[0]).cell == 0 {
			all = all[1:]
			continue // nobody asked it
		}
		first := g.result(all[0])
		if first.State != probe.Open && !each {
			n = g.run(all, &first)
		}
		out.Targets += uint64(n)
		out.States[first.State.String()] += uint64(n)
		var err error
		if n == 1 {
			err = emit(first)
		} else {
			last := g.ends.at(all[n-1]).key
			err = emit(scan.Range{First: first.Addr, Last: address(last.addr), Count: uint64(n), Port: first.Port,
				Proto: first.Proto, State: first.State, Reason: first.Reason, Tries: first.Tries, Responder: first.Responder,
				Doubts: first.Doubts, Facts: first.Facts})
		}
		for i := 0; i < n && err == nil; i++ {
			err = g.emitFlows(all[i], emit)
		}
		if err != nil {
			return out, err
		}
		all = all[n:]
	}
	return out, nil
}

func compare(a, b [16]byte) int {
	switch {
	case less(a, b):
		return -1
	case less(b, a):
		return 1
	}
	return 0
}

// run is how many endpoints from the first on make one range.
func (g *groups) run(all []uint32, first *probe.Result) int {
	n := 1
	for addr := first.Addr; n < len(all); n++ {
		e := g.ends.at(all[n])
		next := addr.Next()
		if e.cell == 0 || e.key.port != first.Port || e.key.proto != first.Proto || address(e.key.addr) != next {
			break
		}
		r := g.verdict(e)
		if r.State != first.State || r.Reason != first.Reason || r.Responder != first.Responder ||
			len(r.Doubts)+len(first.Doubts) > 0 {
			break
		}
		first.Tries = min(first.Tries, r.Tries)
		addr = next
	}
	return n
}

// verdict is what is known of an endpoint, its flows apart.
func (g *groups) verdict(e *endpoint) probe.Result {
	r := probe.Result{
		Endpoint: probe.Endpoint{Addr: address(e.key.addr), Port: e.key.port, Proto: e.key.proto},
		Tries:    e.cell.Tries(), TTL: e.ttl, ICMP: e.icmp, RTT: probe.Millis(e.rtt), Confidence: probe.High,
	}
	r.State, r.Reason = g.scope.state(e.cell, e.key.proto, e.asked)
	switch {
	case r.State == probe.Unknown:
		r.Confidence = ""
		if r.Facts = g.scope.doubt(e.asked); r.Facts == nil {
			r.Facts = []probe.Fact{{Kind: probe.FactNeverAsked}}
		}
	case isSilence(e.cell):
		r.Confidence = ""
	case e.responder != [16]byte{}:
		r.Responder, r.Confidence = address(e.responder), probe.Medium
	}
	return r
}

// result is the record of an endpoint.
func (g *groups) result(number uint32) probe.Result {
	e := g.ends.at(number)
	r := g.verdict(e)
	r.Service = g.services.services[number]
	t := &traffic.Totals{}
	clients := make(map[netip.Addr]struct{})
	var notSeen, before, seen, options, window bool
	for _, i := range g.flowsOf(number) {
		f := g.table.at(i)
		clients[address(f.client().addr)] = struct{}{}
		t.Connections++
		seen = seen || f.answered > 0
		notSeen, before = notSeen || f.is(halfSeen), before || f.is(midway)
		options, window = options || f.is(noOptions), window || f.is(zeroWindow)
		count(t, f.cell, 1)
		extend(t, f.first, f.last())
		t.Sent.Add(f.half[sent].volume())
		t.Received.Add(f.half[received].volume())
	}
	for _, s := range g.foldedOf(number) {
		seen = true
		t.Clients++
		if s.first == s.last {
			clients[address(s.first)] = struct{}{}
			t.Clients--
		}
		t.Connections += s.connections
		count(t, s.cell, s.connections)
		extend(t, s.began, s.ended)
		t.Sent.Add(s.sent)
		t.Received.Add(s.received)
	}
	t.Clients += uint64(len(clients))
	r.Traffic = t
	doubt := func(is bool, k probe.DoubtKind) {
		if is && r.State == probe.Open && r.Proto == probe.TCP {
			r.Doubts = append(r.Doubts, probe.Doubt{Kind: k})
			r.Confidence = probe.Medium
		}
	}
	doubt(notSeen && !seen, probe.DoubtNotCaptured)
	doubt(before && !seen && !notSeen, probe.DoubtBeganBefore)
	doubt(window, probe.DoubtZeroWindow)
	doubt(options, probe.DoubtNoOptions)
	if !seen && r.State == probe.Open && r.Proto == probe.TCP {
		r.Reason = probe.NoReason
	}
	if e.contradicted {
		r.Doubts = append(r.Doubts, probe.Doubt{Kind: probe.DoubtContradicted})
	}
	return r
}

// count adds connections whose endpoint answered in one way.
func count(t *traffic.Totals, c verdict.Cell, n uint64) {
	switch {
	case c.Open():
		t.Answered += n
	case c.Answered():
		t.Refused += n
	default:
		t.Silent += n
	}
}

// extend makes the time of t hold another.
func extend(t *traffic.Totals, first, last int64) {
	if from := moment(first); t.First.IsZero() || !from.IsZero() && from.Before(t.First) {
		t.First = from
	}
	if to := moment(last); to.After(t.Last) {
		t.Last = to
	}
}

// emitFlows emits the flows of an endpoint, the first that began first.
func (g *groups) emitFlows(number uint32, emit func(Finding) error) error {
	e := g.ends.at(number)
	flows := g.flowsOf(number)
	slices.SortFunc(flows, func(a, b uint32) int {
		x, y := g.table.at(a), g.table.at(b)
		return cmp.Or(cmp.Compare(x.first, y.first), compare(x.client().addr, y.client().addr),
			cmp.Compare(x.client().port, y.client().port))
	})
	for _, s := range g.foldedOf(number) {
		f := Flow{Peer: Peer{Client: address(s.first), ClientPort: s.port}, First: moment(s.began),
			Endpoint: probe.Endpoint{Addr: address(e.key.addr), Port: e.key.port, Proto: e.key.proto},
			Tries:    int(s.asks), Last: moment(s.ended), RTT: probe.Millis(s.rtt), Sent: s.sent, Received: s.received}
		if s.connections > 1 {
			f.Connections = s.connections
		}
		if s.last != s.first {
			f.LastClient = address(s.last)
		}
		f.State, f.Reason = g.scope.state(s.cell, e.key.proto, s.asked)
		if err := emit(f); err != nil {
			return err
		}
	}
	for _, i := range flows {
		f := g.table.at(i)
		if err := emit(f.record(g.scope, g.services.greetings[f])); err != nil {
			return err
		}
	}
	return nil
}
