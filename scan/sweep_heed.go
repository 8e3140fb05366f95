package scan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
)

const (
	heedSample = 32   // hosts that are asked again at a time
	heedCost   = 100  // … after so many times as many other probes
	heedKept   = 1024 // hosts that are remembered for it
	heedEvery  = 500 * time.Millisecond

	// noticeable is the least fall of the share of answers that is acted upon: more
	// than two standard deviations of two samples, where half of them answer.
	noticeable = 0.3
)

// familiar are hosts that answered, to be asked once more: what becomes of them tells
// whether the sweep itself makes answers fail, which silence never does. The
// receiver adds hosts and hears them; all of it is under the sweep's mu.
type familiar struct {
	off   bool     // the engine's questions are dear, or the kernel's
	fresh []uint64 // endpoints that answered, and were not asked again
	out   map[uint64]bool
	asked int // of the present sample
	heard int
	due   time.Time // when it is over
	next  time.Time // no sample before
	after uint64    // nor before so many probes
	usual float64   // the share of answers that is not the sweep's doing
	met   int       // answered for the first time since the sample before
	blink bool      // they had all stopped for a while, and silence of that time is worth nothing
	dim   bool      // that has happened in the sweep
	gone  bool      // they have stopped
}

// newFamiliar heeds engines that send packets: the kernel sends a SYN again by
// itself, and another connection to everybody would be a nuisance.
func newFamiliar(methods map[string]string) familiar {
	return familiar{off: methods[probe.TCP.String()] == "connect", out: make(map[uint64]bool), usual: 1, after: heedSample * heedCost}
}

// meet remembers an endpoint that answered by itself for the first time.
func (k *familiar) meet(i uint64) {
	k.met++
	switch {
	case k.off:
	case len(k.fresh) < heedKept:
		k.fresh = append(k.fresh, i)
	default:
		k.fresh[rand.N(heedKept)] = i
	}
}

// hear notes the answer of one that was asked again, and reports whether it was.
func (k *familiar) hear(i uint64) bool {
	if !k.out[i] {
		return false
	}
	delete(k.out, i)
	k.heard++
	return true
}

// heed asks known hosts again from time to time. If fewer answer than usual, it
// rests, asks others, and slows the sweep down if at rest more answer: then
// answers are lost because of its pace, and not just so.
func (s *sweep) heed(ctx context.Context, now time.Time) error {
	s.mu.Lock()
	k := &s.known
	waiting, due := k.asked > 0, !now.Before(k.due)
	ready := !k.off && !waiting && len(k.fresh) >= 2*heedSample && !now.Before(k.next) && s.sent >= k.after
	s.mu.Unlock()
	switch {
	case ready:
		return s.askKnown(ctx, now)
	case !waiting || !due:
		return nil
	}
	loaded, blinked := s.settle()
	if loaded > s.known.usual-noticeable {
		return nil
	}
	s.doubt()
	s.sleep(ctx, s.wait()) // what is under way passes by
	if err := s.askKnown(ctx, time.Now()); err != nil {
		return err
	}
	s.sleep(ctx, s.wait())
	if ctx.Err() != nil {
		return nil
	}
	rested, dark := s.settle()
	switch {
	case dark:
		return s.awaken(ctx)
	case rested < loaded+noticeable:
		s.known.usual = loaded
	case blinked && !s.known.blink: // once, that is rather the way's doing than the pace's
		s.known.blink, s.known.dim = true, true
	default:
		s.pace.busy(time.Now(), fmt.Errorf("of known hosts %.0f %% answered, and %.0f %% at rest", 100*loaded, 100*rested))
	}
	return nil
}

// askKnown sends a sample.
func (s *sweep) askKnown(ctx context.Context, now time.Time) error {
	var batch [heedSample]engine.Probe
	s.mu.Lock()
	k := &s.known
	n := min(heedSample, len(k.fresh))
	wait := s.rtt.wait(s.passes, s.Timeout)
	for j := range n {
		at := rand.N(len(k.fresh))
		i := k.fresh[at]
		k.fresh[at] = k.fresh[len(k.fresh)-1]
		k.fresh = k.fresh[:len(k.fresh)-1]
		k.out[i] = true
		batch[j] = engine.Probe{Index: i, Endpoint: s.Plan.At(i), Try: s.table.cells[i].tries(), Wait: wait}
	}
	k.asked, k.heard, k.due = n, 0, now.Add(wait)
	s.mu.Unlock()
	sent, err := s.Engine.Send(ctx, batch[:n])
	sent = min(max(sent, 0), n)
	s.sent += uint64(sent)
	s.pace.spend(sent)
	if sent < n {
		s.mu.Lock()
		for _, p := range batch[sent:n] {
			delete(k.out, p.Index)
		}
		k.asked = sent
		s.mu.Unlock()
	}
	if errors.Is(err, probe.ErrBusy) {
		s.pace.busy(time.Now(), err)
		err = nil
	}
	return err
}

// settle ends a sample: the share of hosts that answered, 1 without any, and whether
// all was dark. Those that did not may be asked again then.
func (s *sweep) settle() (share float64, dark bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &s.known
	share, dark = 1.0, k.dark()
	if k.asked > 0 {
		share = float64(k.heard) / float64(k.asked)
	}
	if dark {
		k.fresh = slices.AppendSeq(k.fresh, maps.Keys(k.out))
	}
	clear(k.out)
	k.asked, k.heard, k.met = 0, 0, 0
	k.next, k.after = time.Now().Add(heedEvery), s.sent+heedSample*heedCost
	return share, dark
}
