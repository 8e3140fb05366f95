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
	"onmux/scan/scantest"
	"onmux/scan/simnet"
)

// errorLog has the endpoints of which an ICMP error was sent.
type errorLog struct {
	mu sync.Mutex
	of map[probe.Endpoint]bool
}

func newErrorLog() *errorLog { return &errorLog{of: make(map[probe.Endpoint]bool)} }

// all are those until now.
func (s *errorLog) all() map[probe.Endpoint]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.of)
}

// limitedBy has an error sent as often as a bucket allows.
func (s *errorLog) limitedBy(b *simnet.Bucket, f func(simnet.Query) []byte) func(simnet.Query) []byte {
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
func perProto(tcp, udp func(simnet.Query) []byte) responder {
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
// Linux host does with port-unreachables, and routers with all their errors.
// An error is never reported of an endpoint of which none was sent; and one that was
// sent is reported, unless the machine was too busy to receive it in time.
//
//	10.92.8.0    one machine has all addresses: TCP is closed, UDP refused
//	10.92.8.64   a router reports that filters forbid it
//	10.92.8.128  a router reports that there is no such host, of three of four
//	10.92.8.192  each host refuses UDP for itself; TCP is open
func limitedNet() (*testNet, *errorLog) {
	sent := newErrorLog()
	limit := simnet.Limit{Burst: 6, Rate: 1}
	refused := hostCase{
		name:    "machine",
		tcp:     probe.Reset,
		udp:     probe.PortUnreach,
		self:    true,
		respond: perProto(closed, sent.limitedBy(limit.Bucket(), closed)),
	}
	forbidden := sent.limitedBy(limit.Bucket(), func(q simnet.Query) []byte {
		if q.To.Addr().Is4() {
			return routed(3, 13)(q)
		}
		return routed(1, 1)(q)
	})
	missing := sent.limitedBy(limit.Bucket(), func(q simnet.Query) []byte {
		if q.To.Addr().Is4() {
			return routed(3, 1)(q)
		}
		return routed(1, 3)(q)
	})
	var hosts []hostCase
	for i := range 256 {
		switch open := (hostCase{name: "open", tcp: probe.SynAck, udp: probe.UDPResponse, respond: always(open)}); {
		case i%64 == 17 || i >= 128 && i < 192 && i%4 == 0:
			hosts = append(hosts, open)
		case i%64 == 5:
			hosts = append(hosts, hostCase{name: "silent", tcp: none, udp: none, respond: always()})
		case i < 64:
			hosts = append(hosts, refused)
		case i < 128:
			hosts = append(
				hosts,
				hostCase{
					name:    "filter",
					tcp:     probe.AdminProhibited,
					udp:     probe.AdminProhibited,
					respond: perProto(forbidden, forbidden),
				},
			)
		case i < 192:
			hosts = append(
				hosts,
				hostCase{name: "router", tcp: probe.HostUnreach, udp: probe.HostUnreach, respond: perProto(missing, missing)},
			)
		default:
			own := sent.limitedBy(limit.Bucket(), closed)
			hosts = append(
				hosts,
				hostCase{
					name:    "host",
					tcp:     probe.SynAck,
					udp:     probe.PortUnreach,
					self:    true,
					respond: perProto(func(q simnet.Query) []byte { return open.respond(q, 1)[0] }, own),
				},
			)
		}
	}
	return newTestNet(hosts, netip.MustParseAddr("10.92.8.0"), netip.MustParseAddr("fd92::800")), sent
}

// checkLimited asks them, and compares what is reported with what was sent.
func (w *testNet) checkLimited(t *testing.T, errors *errorLog, c scan.Config) scantest.Scan {
	t.Helper()
	s := scantest.Run(t.Context(), c)
	s.RequireComplete(t)
	_, exact := c.Engine.(*packetEngine)
	results, sent := s.Results(t), errors.all()
	for e, r := range results {
		f := w.at[e.Addr]
		want := reason(f, e.Proto, false)
		switch want {
		case probe.PortUnreach, probe.AdminProhibited, probe.HostUnreach:
			if !sent[e] || !exact && r.Reason == none {
				want = none
			}
		}
		if r.Reason != want || r.State != probe.Verdict(e.Proto, want, f.self || want != probe.PortUnreach) {
			t.Errorf("%s: %v is reported as %v (%v) %s, want %v", f.name, e, r.State, r.Reason, r.Error, want)
		}
	}
	if len(sent) < 2*6 || len(sent) > len(results)/2 {
		t.Errorf("errors were sent of %d of %d endpoints: no limit", len(sent), len(results))
	}
	return s
}

// TestTruthOfLimitedICMP asks them with the defaults.
func TestTruthOfLimitedICMP(t *testing.T) {
	for _, targets := range []string{"10.92.8.0/24", "fd92::800/120"} {
		for _, port := range both {
			for seed := range uint64(4) {
				synctest.Test(t, func(t *testing.T) {
					w, sent := limitedNet()
					plan := scantest.NewPlan(t, []probe.Port{port}, targets)
					s := w.checkLimited(
						t,
						sent,
						scan.Config{Plan: plan, Engine: newPacketEngine(t, w, plan), Retries: -1, Seed: seed, All: true},
					)
					// Of UDP it is not known which were silent and which were not allowed to answer.
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
func manyPorts() (*testNet, *errorLog, []probe.Port) {
	sent := newErrorLog()
	var hosts []hostCase
	for range 16 {
		own := sent.limitedBy(simnet.Limit{Burst: 6, Rate: 1}.Bucket(), closed)
		hosts = append(hosts, hostCase{name: "host", udp: probe.PortUnreach, respond: always(func(q simnet.Query) []byte {
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
	return newTestNet(hosts, netip.MustParseAddr("10.92.9.0"), netip.MustParseAddr("fd92::900")), sent, ports
}

// checkManyPorts compares what is reported of them with what was sent.
func (w *testNet) checkManyPorts(t *testing.T, errors *errorLog, c scan.Config) {
	t.Helper()
	s := scantest.Run(t.Context(), c)
	s.RequireComplete(t)
	_, exact := c.Engine.(*packetEngine)
	results, sent := s.Results(t), errors.all()
	refused := make(map[netip.Addr]bool)
	for e, r := range results {
		refused[e.Addr] = refused[e.Addr] || r.Reason == probe.PortUnreach
	}
	for e, r := range results {
		want, state := none, probe.OpenFiltered
		switch {
		case e.Port == 417:
			want, state = probe.UDPResponse, probe.Open
		case sent[e] && (exact || r.Reason != none):
			want, state = probe.PortUnreach, probe.Closed
		}
		if r.Reason != want || r.State != state {
			t.Errorf("%v is reported as %v (%v) %s, want %v", e, r.State, r.Reason, r.Error, want)
		}
		// On a busy machine every refusal of a host may come after its wait. Then nothing is known of a limit.
		if known := exact || want != none || refused[e.Addr]; known && (want == none) != (len(r.Notes) > 0) {
			t.Errorf("%v is %v, notes %q", e, r.State, r.Notes)
		}
	}
	if len(sent) < 16*6 || len(sent) >= 16*17 {
		t.Errorf("%d refusals were sent: no limit", len(sent))
	}
}

// TestTruthOfManyPorts asks them with a clock of its own.
func TestTruthOfManyPorts(t *testing.T) {
	for _, targets := range []string{"10.92.9.0/28", "fd92::900/124"} {
		synctest.Test(t, func(t *testing.T) {
			w, sent, ports := manyPorts()
			plan := scantest.NewPlan(t, ports, targets)
			w.checkManyPorts(t, sent, scan.Config{Plan: plan, Engine: newPacketEngine(t, w, plan), Retries: 3, All: true})
		})
	}
}
