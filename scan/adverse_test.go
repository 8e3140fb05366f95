package scan_test

import (
	"context"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
	"onmux/scan/target"
)

// script is an engine that a test controls: send is called for each batch, and
// what it passes to deliver is received.
type script struct {
	send    func(s *script, ctx context.Context, batch []engine.Probe) (int, error)
	answers chan engine.Answer
	fail    chan error // of Receive
	closed  chan struct{}
	closes  int
}

func newScript(send func(*script, context.Context, []engine.Probe) (int, error)) *script {
	return &script{send: send, answers: make(chan engine.Answer), fail: make(chan error), closed: make(chan struct{})}
}

func (s *script) Methods() map[probe.Proto]string { return nil }
func (s *script) Pending() int                    { return -1 }

func (s *script) Close() error {
	if s.closes++; s.closes == 1 {
		close(s.closed)
	}
	return nil
}

// Send leaves control probes out of the script: they are answered.
func (s *script) Send(ctx context.Context, batch []engine.Probe) (int, error) {
	if len(batch) == 0 || batch[0].Try <= engine.MaxTries {
		return s.send(s, ctx, batch)
	}
	for _, p := range batch {
		go func() {
			select {
			case s.answers <- engine.Answer{Index: p.Index, Try: p.Try, At: time.Now(),
				Result: probe.Result{Reason: probe.Reset}}:
			case <-s.closed:
			}
		}()
	}
	return len(batch), nil
}

// deliver returns when the answer was taken and the one before it worked on.
func (s *script) deliver(p engine.Probe, r probe.Reason) {
	a := engine.Answer{Index: p.Index, Try: p.Try, At: time.Now()}
	a.Reason = r
	s.answers <- a
}

func (s *script) Receive(ctx context.Context, buf []engine.Answer) (int, error) {
	select {
	case buf[0] = <-s.answers:
		return 1, nil
	case err := <-s.fail:
		return 0, err
	case <-s.closed:
		return 0, io.EOF
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func TestOneEndpoint(t *testing.T) {
	for reason, passes := range map[probe.Reason]int{
		probe.NoReason: 2, probe.SynAck: 1, probe.Reset: 1, probe.LocalError: 2, probe.NoNeighbor: 2, probe.HostUnreach: 1,
	} {
		synctest.Test(t, func(t *testing.T) {
			host := func(probe.Endpoint) simnet.Host {
				return simnet.Host{Reason: reason, RTT: time.Millisecond, Error: "why"}
			}
			s := scantest.Run(
				t.Context(),
				scan.Config{
					Plan:    scantest.NewPlan(t, []probe.Port{tcp417}, "192.0.2.1"),
					Engine:  simnet.New(simnet.Config{Host: host}),
					Retries: -1,
				},
			)
			s.RequireComplete(t)
			s.Results(t)
			if s.Passes != passes || len(s.Findings) != 1 || int(s.Probes) != passes {
				t.Errorf("%v: %d passes, %d findings, %d probes", reason, s.Passes, len(s.Findings), s.Probes)
			}
			if r, ok := s.Findings[0].(probe.Result); !ok || r.Tries != passes {
				t.Errorf("%v: reported as %+v", reason, s.Findings[0])
			}
			if (s.Loss != nil) != (reason == probe.SynAck || reason == probe.Reset) {
				t.Errorf("%v: loss %v", reason, s.Loss)
			}
		})
	}
}

func TestNothingToAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newScript(func(*script, context.Context, []engine.Probe) (int, error) {
			t.Error("something was sent")
			return 0, io.ErrUnexpectedEOF
		})
		for _, c := range []scan.Config{
			{Plan: &target.Plan{}, Engine: e},
			{Plan: scantest.NewPlan(t, both, "192.0.2.1"), Engine: e, Shard: target.Shard{I: 3, N: 3}},
		} {
			s := scantest.Run(t.Context(), c)
			s.RequireComplete(t)
			if len(s.Findings) != 0 || s.Targets != 0 || s.NotReached != 0 {
				t.Errorf("reported %v, %+v", s.Findings, s.Summary)
			}
		}
	})
}

func TestConfigThatMakesNoSense(t *testing.T) {
	plan := scantest.NewPlan(t, both, "192.0.2.1")
	for _, c := range []scan.Config{
		{}, {Plan: plan},
		{Plan: plan, Rate: -1}, {Plan: plan, Rate: math.NaN()},
		{Plan: plan, Retries: engine.MaxTries},
		{Plan: plan, Timeout: -1}, {Plan: plan, Bound: -1}, {Plan: plan, Bound: math.NaN()},
		{Plan: plan, Shard: target.Shard{I: 0, N: 2}}, {Plan: plan, Shard: target.Shard{I: 3, N: 2}},
	} {
		e := newScript(nil)
		if c.Plan != nil && (c.Rate != 0 || c.Retries != 0 || c.Timeout != 0 || c.Bound != 0 || c.Shard.N != 0) {
			c.Engine = e
		}
		_, err := scan.Run(t.Context(), c, nil)
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: error %v", c, err)
		}
		if c.Engine != nil && e.closes == 0 {
			t.Errorf("%+v: the engine was left open", c)
		}
	}
}

// TestAnswersBeforeSendReturns has every answer worked on, twice and with a
// contradiction, while its batch is still in Send.
func TestAnswersBeforeSendReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newScript(func(s *script, _ context.Context, batch []engine.Probe) (int, error) {
			for _, p := range batch {
				if p.Endpoint.Proto == probe.TCP {
					s.deliver(p, probe.Reset)
					s.deliver(p, probe.SynAck)
					s.deliver(p, probe.SynAck)
					s.deliver(p, probe.Reset)
				} else {
					s.deliver(p, probe.UDPResponse)
					s.deliver(p, probe.PortUnreach)
					s.deliver(p, probe.UDPResponse)
				}
			}
			return len(batch), nil
		})
		s := scantest.Run(t.Context(), scan.Config{Plan: scantest.NewPlan(t, both, "10.0.0.0/26"), Engine: e, Retries: -1})
		s.RequireComplete(t)
		s.Results(t)
		if s.States["open"] != 128 || s.Probes != 128 || s.Contradictions != 64*2+64 || s.Repeated != 128 || s.Late != 0 {
			t.Errorf("%+v", s.Summary)
		}
	})
}

func TestStrangeAnswersAreIgnoredAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := scantest.NewPlan(t, both, "10.0.0.0/28")
		first := true
		e := newScript(func(s *script, _ context.Context, batch []engine.Probe) (int, error) {
			if first {
				first = false
				for _, p := range []engine.Probe{{Index: plan.Len()}, {Index: math.MaxUint64}} {
					s.deliver(p, probe.SynAck) // no host's
				}
				asked := batch[0].Index
				s.deliver(engine.Probe{Index: (asked + 1) % plan.Len()}, probe.HostUnreach) // not asked yet: one a batch
				s.deliver(batch[0], probe.NoResponse)
				s.deliver(batch[0], probe.NoReason)
				s.deliver(batch[0], probe.Reason(200))
				wrong := probe.UDPResponse
				if batch[0].Endpoint.Proto == probe.UDP {
					wrong = probe.SynAck
				}
				s.deliver(batch[0], wrong)
				p := batch[0]
				p.Try = 9 // a try that was never sent
				s.deliver(p, probe.HostUnreach)
			}
			return len(batch), nil
		})
		s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: e, Rate: 100})
		s.RequireComplete(t)
		s.Results(t)
		if s.Targets != 32 || s.States["unreachable"] != 0 || s.States["open"] != 0 {
			t.Errorf("%+v", s.Summary)
		}
		if noted(s.Notes, scan.NoteStrays).Count != 8 {
			t.Errorf("notes %+v", s.Notes)
		}
	})
}

// TestLateAnswersCount lets every answer arrive a pass too late.
func TestLateAnswersCount(t *testing.T) {
	for _, knowsTry := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			host := func(e probe.Endpoint) simnet.Host {
				if lastByte(e.Addr) < 128 {
					return simnet.Host{Reason: probe.SynAck, RTT: 900 * time.Millisecond}
				}
				return simnet.Host{Reason: probe.Reset, RTT: 10 * time.Millisecond, Duplicate: 0.5}
			}
			s := scantest.Run(t.Context(), scan.Config{
				Plan: scantest.NewPlan(t, []probe.Port{tcp417}, "10.0.0.0/24"), Retries: -1,
				Engine: simnet.New(simnet.Config{Host: host, KnowsTry: knowsTry}),
			})
			s.RequireComplete(t)
			s.Results(t)
			if s.States["open"] != 128 || s.States["closed"] != 128 {
				t.Errorf("knowsTry=%v: %+v", knowsTry, s.Summary)
			}
			for _, f := range s.Findings {
				if r, ok := f.(probe.Result); ok && r.RTT != 0 && r.State == probe.Open &&
					time.Duration(r.RTT).Round(10*time.Millisecond) != 900*time.Millisecond {
					t.Errorf("knowsTry=%v: %v has a round trip of %v", knowsTry, r.Endpoint, time.Duration(r.RTT))
				}
			}
		})
	}
}

// TestNeverLeft: it is found out of two tries that neither left this machine, in either order, and
// of both after the last was made.
func TestNeverLeft(t *testing.T) {
	for _, order := range [][]int{{1, 2}, {2, 1}, {2}, {1}} {
		synctest.Test(t, func(t *testing.T) {
			e := newScript(func(s *script, _ context.Context, batch []engine.Probe) (int, error) {
				if batch[0].Try == 2 {
					for _, try := range order {
						s.answers <- engine.Answer{Index: 0, Try: try, At: time.Now(),
							Result: probe.Result{Reason: probe.LocalError, Error: "why"}}
					}
				}
				return len(batch), nil
			})
			plan := scantest.NewPlan(t, []probe.Port{tcp417}, "192.0.2.1")
			s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: e, Retries: 1})
			s.RequireComplete(t)
			want, text := probe.NoResponse, ""
			if len(order) == 2 {
				want, text = probe.LocalError, "why"
			}
			if r := s.Results(t)[plan.At(0)]; r.Reason != want || r.Error != text || r.Tries != 2 {
				t.Errorf("%v: %v (%v) %q after %d tries", order, r.State, r.Reason, r.Error, r.Tries)
			}
		})
	}
}
