package scan_test

import (
	"maps"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/simnet"
)

// spoken are the endpoints of which an ICMP error was sent.
type spoken struct {
	mu sync.Mutex
	of map[probe.Endpoint]bool
}

func newSpoken() *spoken { return &spoken{of: make(map[probe.Endpoint]bool)} }

// all are those until now.
func (s *spoken) all() map[probe.Endpoint]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.of)
}

// rarely has an error sent as often as a bucket allows.
func (s *spoken) rarely(b *simnet.Bucket, f func(simnet.Query) []byte) func(simnet.Query) []byte {
	return func(q simnet.Query) []byte {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !b.Take(time.Now()) {
			return nil
		}
		s.of[q.Endpoint()] = true
		return f(q)
	}
}

// perProto answers each protocol in its way.
func perProto(tcp, udp func(simnet.Query) []byte) deed {
	return func(q simnet.Query, _ int) [][]byte {
		f := udp
		if q.Proto == probe.TCP {
			f = tcp
		}
		if b := f(q); b != nil {
			return [][]byte{b}
		}
		return nil
	}
}

// limitedNet is networks of 64 addresses in which ICMP errors are rare: what a
// Linux host does with port-unreachables, and routers with all they have to say.
// An error is never told of an endpoint of which none was sent; and one that was
// sent is told, unless the machine was too busy to hear it in time.
//
//	10.92.8.0    one machine has all addresses: TCP is closed, UDP refused
//	10.92.8.64   a router says that filters forbid it
//	10.92.8.128  a router says that there is no such host, of three of four
//	10.92.8.192  each host refuses UDP for itself; TCP is open
func limitedNet() (*world, *spoken) {
	said := newSpoken()
	limit := simnet.Limit{Burst: 6, Rate: 1}
	refused := fact{name: "machine", tcp: probe.Reset, udp: probe.PortUnreach, self: true, deed: perProto(closed, said.rarely(limit.Bucket(), closed))}
	forbidden := said.rarely(limit.Bucket(), func(q simnet.Query) []byte {
		if q.To.Addr().Is4() {
			return routed(3, 13)(q)
		}
		return routed(1, 1)(q)
	})
	missing := said.rarely(limit.Bucket(), func(q simnet.Query) []byte {
		if q.To.Addr().Is4() {
			return routed(3, 1)(q)
		}
		return routed(1, 3)(q)
	})
	var hosts []fact
	for i := range 256 {
		switch open := (fact{name: "open", tcp: probe.SynAck, udp: probe.UDPResponse, deed: always(open)}); {
		case i%64 == 17 || i >= 128 && i < 192 && i%4 == 0:
			hosts = append(hosts, open)
		case i%64 == 5:
			hosts = append(hosts, fact{name: "silent", tcp: none, udp: none, deed: always()})
		case i < 64:
			hosts = append(hosts, refused)
		case i < 128:
			hosts = append(hosts, fact{name: "filter", tcp: probe.AdminProhibited, udp: probe.AdminProhibited, deed: perProto(forbidden, forbidden)})
		case i < 192:
			hosts = append(hosts, fact{name: "router", tcp: probe.HostUnreach, udp: probe.HostUnreach, deed: perProto(missing, missing)})
		default:
			own := said.rarely(limit.Bucket(), closed)
			hosts = append(hosts, fact{name: "host", tcp: probe.SynAck, udp: probe.PortUnreach, self: true, deed: perProto(func(q simnet.Query) []byte { return open.deed(q, 1)[0] }, own)})
		}
	}
	return newWorld(hosts, netip.MustParseAddr("10.92.8.0"), netip.MustParseAddr("fd92::800")), said
}

// holdLimited asks them, and holds what is told against what was sent.
func (w *world) holdLimited(t *testing.T, heard *spoken, c scan.Config) story {
	t.Helper()
	s := sweep(t.Context(), c)
	s.ok(t)
	_, exact := c.Engine.(*wire)
	told, said := s.told(t), heard.all()
	for e, r := range told {
		f := w.at[e.Addr]
		want := reason(f, e.Proto, false)
		switch want {
		case probe.PortUnreach, probe.AdminProhibited, probe.HostUnreach:
			if !said[e] || !exact && r.Reason == none {
				want = none
			}
		}
		if r.Reason != want || r.State != probe.Verdict(e.Proto, want, f.self || want != probe.PortUnreach) {
			t.Errorf("%s: %v is told %v (%v) %s, want %v", f.name, e, r.State, r.Reason, r.Error, want)
		}
	}
	if len(said) < 2*6 || len(said) > len(told)/2 {
		t.Errorf("errors were sent of %d of %d endpoints: no limit", len(said), len(told))
	}
	return s
}

// TestTruthOfLimitedICMP asks them as is done when nothing is said.
func TestTruthOfLimitedICMP(t *testing.T) {
	for _, targets := range []string{"10.92.8.0/24", "fd92::800/120"} {
		for _, port := range both {
			for seed := range uint64(4) {
				synctest.Test(t, func(t *testing.T) {
					w, said := limitedNet()
					plan := planOf(t, []probe.Port{port}, targets)
					s := w.holdLimited(t, said, scan.Config{Plan: plan, Engine: newWire(t, w, plan), Retries: -1, Seed: seed, All: true})
					// Of UDP it is not known who had nothing to say and who was not allowed to.
					if port == tcp417 && (s.Loss == nil || *s.Loss != 0) {
						t.Errorf("a loss was measured, and nothing was lost: %+v", s.Summary)
					}
				})
			}
		}
	}
}

// manyPorts are hosts of which each sends six refusals at once, and one a second,
// asked on twenty UDP ports: 417 is open, 418 and 419 are not answered.
func manyPorts() (*world, *spoken, []probe.Port) {
	said := newSpoken()
	var hosts []fact
	for range 16 {
		own := said.rarely(simnet.Limit{Burst: 6, Rate: 1}.Bucket(), closed)
		hosts = append(hosts, fact{name: "host", udp: probe.PortUnreach, deed: always(func(q simnet.Query) []byte {
			switch q.To.Port() {
			case 417:
				return open(q)
			case 418, 419:
				return nil
			}
			return own(q)
		})})
	}
	var ports []probe.Port
	for n := range 20 {
		ports = append(ports, probe.Port{Number: uint16(410 + n), Proto: probe.UDP})
	}
	return newWorld(hosts, netip.MustParseAddr("10.92.9.0"), netip.MustParseAddr("fd92::900")), said, ports
}

// holdManyPorts holds what is told of them against what was sent.
func (w *world) holdManyPorts(t *testing.T, heard *spoken, c scan.Config) {
	t.Helper()
	s := sweep(t.Context(), c)
	s.ok(t)
	_, exact := c.Engine.(*wire)
	said := heard.all()
	for e, r := range s.told(t) {
		want, state := none, probe.OpenFiltered
		switch {
		case e.Port == 417:
			want, state = probe.UDPResponse, probe.Open
		case said[e] && (exact || r.Reason != none):
			want, state = probe.PortUnreach, probe.Closed
		}
		if r.Reason != want || r.State != state {
			t.Errorf("%v is told %v (%v) %s, want %v", e, r.State, r.Reason, r.Error, want)
		}
		if (want == none) != (len(r.Notes) > 0) {
			t.Errorf("%v is %v, notes %q", e, r.State, r.Notes)
		}
	}
	if len(said) < 16*6 || len(said) >= 16*17 {
		t.Errorf("%d refusals were sent: no limit", len(said))
	}
}

// TestTruthOfManyPorts asks them with a clock of its own.
func TestTruthOfManyPorts(t *testing.T) {
	for _, targets := range []string{"10.92.9.0/28", "fd92::900/124"} {
		synctest.Test(t, func(t *testing.T) {
			w, said, ports := manyPorts()
			plan := planOf(t, ports, targets)
			w.holdManyPorts(t, said, scan.Config{Plan: plan, Engine: newWire(t, w, plan), Retries: 3, All: true})
		})
	}
}
