package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/probe/request"
	"onmux/scan/control"
	"onmux/scan/engine"
	"onmux/scan/verdict"
)

// receiver takes answers from the engine into the table, and what they show to the
// emitter and to control. One goroutine uses it.
type receiver struct {
	*parts
	updates [engine.MaxBatch]update
	repeats [engine.MaxBatch]bool
	met     []control.Answerer // endpoints that answered for the first time
	others  []netip.Addr       // hosts that answered for targets
	rtts    []time.Duration    // measured
	found   []Finding
}

// run receives until the engine is closed and drained. An error is also passed to
// halt.
func (r *receiver) run(ctx context.Context, halt func(error)) error {
	buf := make([]engine.Answer, engine.MaxBatch)
	for {
		n, err := r.Engine.Receive(ctx, buf)
		r.out.Put(r.receive(buf[:min(max(n, 0), len(buf))])...)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			err = fmt.Errorf("receiving answers: %w", err)
			halt(err)
			return err
		}
	}
}

// receive takes a batch of answers, at most engine.MaxBatch, and returns records of
// endpoints that it shows open, until the next call.
func (r *receiver) receive(answers []engine.Answer) []Finding {
	if len(answers) == 0 {
		return nil
	}
	r.watch.MarkControls(answers, r.repeats[:])
	r.found = r.table.receive(answers, r.updates[:], r.found[:0])
	r.met, r.others, r.rtts = r.met[:0], r.others[:0], r.rtts[:0]
	var n verdict.Odd
	for i := range answers {
		a, u := &answers[i], &r.updates[i]
		if u.byOther && !u.stray && !u.old.Answered() { // not a duplicate
			r.others = append(r.others, a.Responder)
		}
		if u.rtt > 0 {
			r.rtts = append(r.rtts, u.rtt)
		}
		if u.changed && !u.old.Answered() {
			kind, ok := control.KindOf(r.proto(a.Index), u.class)
			if ok && (u.class != verdict.UDPResponse || r.answersFirst(a, u)) {
				r.met = append(r.met, control.Answerer{Index: a.Index, Kind: kind})
			}
		}
		if u.found && r.table.holdSynAcks && a.Reason == probe.SynAck {
			r.resets.Hold(a.Index, time.Now(), a.Result)
		}
		r.note(&n, a, u, r.repeats[i])
	}
	r.anomalies.Add(n)
	r.routers.Count(r.others)
	r.rtt.Add(r.rtts...)
	r.watch.Answered(r.met, time.Now())
	return r.found
}

// answersFirst reports whether an endpoint answered the first payload of its port, which is
// the one that control probes carry.
func (p *parts) answersFirst(a *engine.Answer, u *update) bool {
	return a.Try == 1 || a.Try == 0 && u.old.Tries() == 1 || len(request.Payloads(p.plan.At(a.Index).Port)) == 1
}

// note counts what is out of the ordinary about an answer.
func (r *receiver) note(n *verdict.Odd, a *engine.Answer, u *update, repeat bool) {
	switch {
	case u.stray:
		n.Strays++
	case u.again && !repeat:
		n.Repeated++
	}
	if u.late {
		n.Late++
	}
	reset := u.old.Class() == verdict.SynAck && u.class == verdict.Reset
	if u.disagrees && !repeat && !(reset && r.resets.Reset(a.Index)) {
		r.anomalies.Contradict(r.plan.At(a.Index), u.old.Class(), u.class)
	}
	if u.changed && u.class == verdict.LocalError {
		r.anomalies.Failed(a.Error)
	}
}
