package scan_test

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
)

func TestMain(m *testing.M) { nettest.Main(m) }

var (
	tcp417 = probe.Port{Number: 417, Proto: probe.TCP}
	udp417 = probe.Port{Number: 417, Proto: probe.UDP}
	both   = []probe.Port{tcp417, udp417}
	router = netip.MustParseAddr("192.0.2.254")
)

// noted is the note of a kind, or the zero Note.
func noted(notes []scan.Note, kind scan.NoteKind) scan.Note {
	for _, n := range notes {
		if n.Kind == kind {
			return n
		}
	}
	return scan.Note{}
}

func lastByte(a netip.Addr) byte { b := a.AsSlice(); return b[len(b)-1] }

// mixed is a network with everything in it, by the last byte of the address.
func mixed(e probe.Endpoint) simnet.Host {
	h := simnet.Host{RTT: 5 * time.Millisecond, Jitter: 5 * time.Millisecond}
	tcp := e.Proto == probe.TCP
	switch b := lastByte(e.Addr); {
	case b < 10 && tcp:
		h.Reason = probe.SynAck
	case b < 10:
		h.Reason = probe.UDPResponse
	case b < 50 && tcp:
		h.Reason = probe.Reset
	case b < 50:
		h.Reason = probe.PortUnreach
	case b < 60:
		h.Reason, h.Responder = probe.PortUnreach, router
	case b < 70:
		h.Reason, h.Responder = probe.HostUnreach, router
	case b < 80:
		h.Reason = probe.AdminProhibited
	case b < 90:
		h.Reason = probe.NoNeighbor
	case b < 95:
		h.Reason, h.Error = probe.LocalError, "no route to the network"
	case b < 100:
		h.Reason, h.Responder = probe.TimeExceeded, router
	}
	return h
}

// truth is the verdict that an endpoint of a simulated network deserves.
func truth(host func(probe.Endpoint) simnet.Host, e probe.Endpoint) (probe.State, probe.Reason) {
	h := host(e)
	if h.Reason == probe.NoReason {
		h.Reason = probe.NoResponse
	}
	return probe.Verdict(e.Proto, h.Reason, !h.Responder.IsValid()), h.Reason
}

func TestEveryEndpointGetsItsVerdict(t *testing.T) {
	for _, account := range []bool{false, true} {
		for _, all := range []bool{false, true} {
			t.Run(fmt.Sprintf("account=%v,all=%v", account, all), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					plan := scantest.NewPlan(t, both, "10.0.0.0/24", "10.0.5.0/25", "2001:db8::/121")
					net := simnet.New(simnet.Config{Host: mixed, CountPending: account, KnowsTry: account})
					s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: net, Retries: -1, All: all})
					s.RequireComplete(t)
					results := s.Results(t)
					for i := range plan.Len() {
						e := plan.At(i)
						r, ok := results[e]
						state, reason := truth(mixed, e)
						if !ok || r.State != state || r.Reason != reason {
							t.Errorf("%v: reported as %v (%v), is %v (%v)", e, r.State, r.Reason, state, reason)
						}
						if r.State == probe.Unknown && r.Error != "no route to the network" {
							t.Errorf("%v: error %q", e, r.Error)
						}
					}
					if s.Passes != scan.DefaultRetries+1 { // two, and others for UDP's payloads
						t.Errorf("%d passes over a network without loss", s.Passes)
					}
					if s.Loss == nil || *s.Loss != 0 || *s.ExpectedMissed != 0 {
						t.Errorf("loss %v, missed %v", s.Loss, s.ExpectedMissed)
					}
					if all && len(s.Findings) != int(plan.Len()) {
						t.Errorf("%d records of %d endpoints", len(s.Findings), plan.Len())
					}
				})
			})
		}
	}
}

func TestRunsAreFoldedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := scantest.NewPlan(
			t,
			both,
			"10.0.0.0/26",
			"10.0.0.80-120",
			"10.0.1.0/28",
			"fe80::60%a-fe80::7f%a",
			"fe80::60%b-fe80::7f%b",
		)
		s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: simnet.New(simnet.Config{Host: mixed}), Retries: -1})
		s.RequireComplete(t)
		s.Results(t)
		var got []string
		for _, f := range s.Findings {
			switch f := f.(type) {
			case probe.Result:
				if f.State != probe.Open {
					got = append(got, fmt.Sprintf("%v %v %d", f.Endpoint, f.Reason, f.Tries))
				}
			case scan.Range:
				got = append(got, fmt.Sprintf("%v-%v/%v %v %d", f.First, f.Last, f.Proto, f.Reason, f.Tries))
			}
		}
		var want []string
		for _, p := range []struct{ proto, closed, tries string }{{"tcp", "reset", "2"}, {"udp", "port-unreach", "11"}} {
			want = append(want,
				"10.0.0.10-10.0.0.49/"+p.proto+" "+p.closed+" 1",
				"10.0.0.50-10.0.0.59/"+p.proto+" port-unreach 1",
				"10.0.0.60-10.0.0.63/"+p.proto+" host-unreach 1",
				"10.0.0.80-10.0.0.89/"+p.proto+" no-neighbour 2",
				"10.0.0.90-10.0.0.94/"+p.proto+" local-error 2",
				"10.0.0.95-10.0.0.99/"+p.proto+" time-exceeded 1",
				"10.0.0.100-10.0.0.120/"+p.proto+" no-response "+p.tries,
				"10.0.1.10-10.0.1.15/"+p.proto+" "+p.closed+" 1",
				"fe80::60%a-fe80::63%a/"+p.proto+" time-exceeded 1",
				"fe80::64%a-fe80::7f%a/"+p.proto+" no-response "+p.tries,
				"fe80::60%b-fe80::63%b/"+p.proto+" time-exceeded 1",
				"fe80::64%b-fe80::7f%b/"+p.proto+" no-response "+p.tries,
			)
		}
		if !slices.Equal(got, want) {
			t.Errorf("reported\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

func TestLossIsMeasuredAndRepaired(t *testing.T) {
	t.Parallel()
	for _, loss := range []float64{0, 0.05, 0.1, 0.2, 0.4} {
		t.Run(fmt.Sprint(loss), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := func(probe.Endpoint) simnet.Host {
					return simnet.Host{
						Reason:   probe.SynAck,
						RTT:      20 * time.Millisecond,
						Jitter:   10 * time.Millisecond,
						LossOut:  loss / 2,
						LossBack: 1 - (1-loss)/(1-loss/2),
					}
				}
				plan := scantest.NewPlan(t, []probe.Port{tcp417}, "10.0.0.0/19")
				net := simnet.New(simnet.Config{Host: host, Seed: 7, KnowsTry: true})
				s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: net, Retries: 14, Rate: 1e6})
				s.RequireComplete(t)
				s.Results(t)
				missed := plan.Len() - s.States["open"]
				if missed > 6 { // the bound is one; six is a chance below a thousandth
					t.Errorf("%d open hosts were missed", missed)
				}
				if s.Loss == nil || math.Abs(*s.Loss-loss) > 0.02 {
					t.Errorf("a loss of %v was measured as %v", loss, s.Loss)
				}
				t.Logf(
					"loss %.3f: %d missed (%.2f expected), %d passes, %d probes",
					*s.Loss,
					missed,
					*s.ExpectedMissed,
					s.Passes,
					s.Probes,
				)
			})
		})
	}
}
