package raw

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/packet"
)

const (
	// selfWait is how long a packet to ourselves may take, on a machine that has
	// much to do.
	selfWait = 2 * time.Second

	// gateTries is how often a next hop is asked before the sweep begins.
	gateTries = 3
)

// hearSelf sends a datagram to one of our own ports through loopback, for each
// family that is asked, and waits until it was heard: so the sockets, the filter
// and what reads them work here. It is written to the device, where no firewall
// stands between. Where loopback is off there is nothing to try this with.
func (e *Engine) hearSelf(ctx context.Context) error {
	lo, err := link.Loopback()
	if err != nil || !lo.Carrier {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, selfWait)
	defer cancel()
	for _, self := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		if !e.asks(self.Is4()) {
			continue
		}
		if err := e.sendSelf(lo, self); err != nil {
			return fmt.Errorf("packets cannot be sent: %w", err)
		}
		if err := e.await(ctx, func() bool { return e.forged.Load() > 0 }); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("packets cannot be heard: what this machine sent to itself did not arrive within %v; --method connect needs none", selfWait)
			}
			return err
		}
		e.forged.Store(0)
	}
	return nil
}

// asks reports whether there is a way for a family.
func (e *Engine) asks(v4 bool) bool {
	for i := range e.ways {
		if w := &e.ways[i]; w.why == "" && w.Src.Is4() == v4 {
			return true
		}
	}
	return false
}

// sendSelf sends a datagram that passes the filter and proves nothing.
func (e *Engine) sendSelf(lo *link.Device, self netip.Addr) error {
	to := probe.Port{Number: e.cookies.Ports(probe.UDP).First, Proto: probe.UDP}
	b, err := packet.NewBuilder(packet.Path{Src: self}, e.cookies, []probe.Port{to})
	if err != nil {
		return err
	}
	s, err := link.OpenFrames(lo, b.MaxLen())
	if err != nil {
		return err
	}
	n := b.Put(s.Room(), probe.Endpoint{Addr: self, Port: to.Number, Proto: to.Proto}, 1, packet.MAC{}, 0)
	s.Add(n, self, 0)
	_, err = s.Flush()
	return errors.Join(err, s.Close())
}

// await reads packets until something holds.
func (e *Engine) await(ctx context.Context, holds func() bool) error {
	for !holds() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		deadline, _ := ctx.Deadline()
		if err := e.hearer.Wait(min(max(time.Until(deadline), 0), 50*time.Millisecond)); err != nil {
			return err
		}
		if err := e.read(); err != nil {
			return err
		}
	}
	return nil
}

// findGates asks the next hops for their MACs. What the kernel believes may be out of
// date, so that counts only for one that does not answer the first question, and what an
// administrator has fixed always. One whose MAC stays unknown is asked again with every
// try of the sweep.
func (e *Engine) findGates(ctx context.Context) error {
	believed, err := e.askKernel()
	if err != nil {
		return err
	}
	missing := func(g *gate) bool { _, ok := g.get(); return !ok }
	for range gateTries {
		if !e.askGates(missing) {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, neighbourWait)
		err := e.await(ctx, func() bool {
			for _, g := range e.hoods.gates {
				if missing(g) {
					return false
				}
			}
			return true
		})
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		for g, m := range believed {
			if missing(g) {
				g.set(m)
			}
		}
	}
	return ctx.Err()
}

// askKernel looks at its neighbours on the devices that lead somewhere: what an
// administrator has fixed is learnt, and what it believes of next hops returned.
func (e *Engine) askKernel() (map[*gate]packet.MAC, error) {
	seen := make(map[int]bool)
	believed := make(map[*gate]packet.MAC)
	for i := range e.ways {
		w := &e.ways[i]
		if w.why != "" || !w.Frames || seen[w.Device.Index] {
			continue
		}
		seen[w.Device.Index] = true
		list, err := link.Neighbours(w.Device)
		if err != nil {
			return nil, err
		}
		for _, k := range list {
			h := hop{k.Addr, w.Device.Index}
			g := e.hoods.gates[h]
			switch {
			case k.Fixed:
				e.hoods.mu.Lock()
				e.hoods.learn(h, k.MAC)
				e.hoods.mu.Unlock()
				if g != nil {
					g.fixed = true
				}
			case g != nil:
				believed[g] = k.MAC
			}
		}
	}
	return believed, nil
}

// askGates sends a question to each next hop for which want holds, and reports
// whether there was one.
func (e *Engine) askGates(want func(*gate) bool) bool {
	e.hoods.mu.Lock()
	defer e.hoods.mu.Unlock()
	asked := false
	for h, g := range e.hoods.gates {
		if !want(g) {
			continue
		}
		if !g.asked {
			g.since = time.Now()
		}
		asked, g.asked = true, true
		w := &e.ways[g.way.ID]
		s := e.late.lanes[w.lane]
		if s.Room() == nil {
			e.flushLate(w.lane, s)
		}
		if n := w.solicit(s.Room(), h); n > 0 {
			s.Add(n, h.addr, 0)
		}
	}
	for lane, s := range e.late.lanes {
		e.flushLate(lane, s)
	}
	return asked
}

// refreshGates asks the next hops again whose MACs are old, or all if they are
// doubted, and is how long it takes until that is due for one; negative if never. One
// that does not answer keeps its MAC.
func (e *Engine) refreshGates(now time.Time) time.Duration {
	if len(e.hoods.gates) == 0 {
		return -1
	}
	doubted := e.doubted.Swap(false)
	if now.Before(e.refresh) && !doubted {
		return e.refresh.Sub(now)
	}
	e.refresh = now.Add(gateRefresh)
	e.askGates(func(g *gate) bool {
		_, ok := g.get()
		return ok && !g.fixed && (doubted || now.Sub(g.fresh) >= gateRefresh)
	})
	return gateRefresh
}

// Revalidate has the next hops asked again.
func (e *Engine) Revalidate() {
	e.doubted.Store(true)
	e.hearer.Wake()
}

// lostGates are the next hops that were known, and did not answer when they were asked
// again.
func (e *Engine) lostGates(now time.Time) (lost []engine.Note) {
	e.hoods.mu.Lock()
	defer e.hoods.mu.Unlock()
	for _, g := range e.hoods.gates {
		if _, ok := g.get(); ok && g.asked && now.Sub(g.since) >= neighbourWait {
			lost = append(lost, engine.Note{Kind: engine.NoteNextHopLost, Addr: g.addr})
		}
	}
	slices.SortFunc(lost, func(a, b engine.Note) int { return a.Addr.Compare(b.Addr) })
	return lost
}
