package scan_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/scantest"
)

// synScript is a script that sends SYNs of its own.
type synScript struct{ *script }

func (synScript) Methods() map[probe.Proto]string { return map[probe.Proto]string{probe.TCP: "syn"} }

// TestResetAfterSynAck: of three open hosts one resets right behind its SYN-ACK, one
// much later, and one before it. The first is reported with doubt, the others are not, and
// what came too late for that is reported as a contradiction.
func TestResetAfterSynAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := synScript{newScript(nil)}
		done := make(chan struct{})
		e.send = func(s *script, _ context.Context, batch []engine.Probe) (int, error) {
			asked := slices.Clone(batch)
			go func() {
				defer close(done)
				slices.SortFunc(asked, func(a, b engine.Probe) int { return int(a.Index) - int(b.Index) })
				s.deliver(asked[0], probe.SynAck)
				s.deliver(asked[1], probe.SynAck)
				s.deliver(asked[2], probe.Reset)
				s.deliver(asked[2], probe.SynAck)
				time.Sleep(time.Millisecond)
				s.deliver(asked[0], probe.Reset)
				time.Sleep(300 * time.Millisecond)
				s.deliver(asked[1], probe.Reset)
			}()
			return len(batch), nil
		}
		plan := scantest.NewPlan(t, []probe.Port{tcp417}, "192.0.2.1-4")
		s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: e, All: true})
		<-done
		s.RequireComplete(t)
		for at, r := range s.Results(t) {
			doubted := slices.ContainsFunc(r.Notes, func(n string) bool { return n == string(probe.DoubtResetFollowed) })
			switch i, _ := plan.Index(at); {
			case i < 3 && r.State != probe.Open, i == 3 && r.State != probe.Filtered:
				t.Errorf("%v is %v", at, r.State)
			case doubted != (i == 0), doubted && r.Confidence != probe.Low:
				t.Errorf("%v: %v, %q", at, r.Confidence, r.Notes)
			}
		}
		if s.Contradictions != 2 {
			t.Errorf("%d contradictions: %+v", s.Contradictions, s.Coverage)
		}
	})
}
