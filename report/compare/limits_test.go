package compare_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	. "onmux/report/compare"
	"onmux/report/record"
	"onmux/scan"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
)

// limited is a network in which ICMP errors are as rare as Linux makes them: 48 addresses of
// one machine, of which three have a TCP and two a UDP service, and 16 behind a router that
// knows none of them. Changed, one TCP service is gone, and two are new.
func limited(changed bool) func(probe.Endpoint) simnet.Host {
	machine, router := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.254")
	limit := simnet.Limit{Burst: 6, Rate: 1}
	return func(e probe.Endpoint) simnet.Host {
		at, rtt := e.Addr.As4()[3], time.Millisecond
		open := e.Port == 417 && (at == 7 && !changed || at == 8 || at == 9 && (changed || e.Proto == probe.UDP) ||
			at == 12 && changed)
		switch {
		case at >= 48:
			return simnet.Host{Reason: probe.HostUnreach, Responder: router, RTT: rtt, ICMP: limit}
		case open && e.Proto == probe.TCP:
			return simnet.Host{Reason: probe.SynAck, RTT: rtt}
		case open:
			return simnet.Host{Reason: probe.UDPResponse, RTT: rtt}
		case e.Proto == probe.TCP:
			return simnet.Host{Reason: probe.Reset, RTT: rtt}
		}
		return simnet.Host{Reason: probe.PortUnreach, RTT: rtt, ICMP: limit, LimitOf: machine}
	}
}

// scanOf saves a scan of it.
func scanOf(t *testing.T, seed uint64, changed bool) *Saved {
	t.Helper()
	ports := []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 417, Proto: probe.UDP},
		{Number: 53, Proto: probe.TCP}, {Number: 53, Proto: probe.UDP}}
	var saved Saved
	saved.Start(record.Start{Schema: record.Schema, Command: "scan"})
	synctest.Test(t, func(t *testing.T) {
		s := scantest.Run(t.Context(), scan.Config{Plan: scantest.NewPlan(t, ports, "10.0.0.0/26"), Seed: seed, Retries: -1,
			Engine: simnet.New(simnet.Config{Seed: seed, KnowsTry: true, MeasureRTT: true, Host: limited(changed)})})
		s.RequireComplete(t)
		for _, f := range s.Findings {
			if err := record.Write(&saved, f); err != nil {
				t.Fatal(err)
			}
		}
		saved.End(record.End{Complete: true, Summary: s.Summary})
	})
	return &saved
}

// TestNothingChangedWhereICMPIsLimited: of 20 pairs of scans of an unchanged network no
// change is certain, and what really changed is found.
func TestNothingChangedWhereICMPIsLimited(t *testing.T) {
	t.Parallel()
	changes := func(old, now *Saved) (certain map[string]string, perhaps uint64) {
		certain = make(map[string]string)
		_, err := Diff(old, now, func(f record.Finding) error {
			if c := f.(record.Change); c.Confidence == probe.Low {
				perhaps += c.Number()
			} else {
				certain[c.Place()] = c.What
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return certain, perhaps
	}
	var perhaps uint64
	old := scanOf(t, 0, false)
	for seed := range uint64(20) {
		now := scanOf(t, seed+1, false)
		certain, n := changes(old, now)
		if len(certain) > 0 {
			t.Errorf("pair %d: %v changed", seed, certain)
		}
		perhaps += n
		old = now
	}
	if perhaps == 0 {
		t.Error("all scans are alike: this tests nothing")
	}
	certain, _ := changes(old, scanOf(t, 30, true))
	want := map[string]string{"10.0.0.7:417/tcp": record.Vanished, "10.0.0.9:417/tcp": record.Appeared,
		"10.0.0.12:417/tcp": record.Appeared}
	for place, what := range want {
		if certain[place] != what {
			t.Errorf("%s is not %s: %v", place, what, certain)
		}
	}
	for place := range certain {
		if _, ok := want[place]; !ok && place != "10.0.0.7:417/udp" && place != "10.0.0.12:417/udp" {
			t.Errorf("%s changed", place)
		}
	}
}
