package scan

import (
	"context"

	"onmux/probe"
	"onmux/probe/request"
	"onmux/scan/checkpoint"
	"onmux/scan/control"
	"onmux/scan/engine"
	"onmux/scan/verdict"
)

// MaxPayloadTargets is up to how many silent UDP endpoints all payloads of their
// ports are tried: beyond, that would take longer than the whole scan.
const MaxPayloadTargets = 4096

// maxRedone bounds the passes that make up for void tries: a path that fails in each of
// so many will fail in the next.
const maxRedone = 50

// begin begins a pass that asks what next states: its Asks, Payloads and Redo.
func (d *dispatcher) begin(next checkpoint.Pass) {
	d.pass = d.table.begin(next)
	d.cursor = d.start(0)
	d.progress.total = d.sent + d.size
	if d.pass.Number == 1 {
		return
	}
	d.progress.total = d.sent
	n := d.table.totals()
	for p, asks := range next.Asks {
		if asks {
			d.progress.total += uint64(n.askable[p])
		}
	}
	d.revalidate()
}

// next decides whether there is another pass, and which. Before silence is accepted
// for good, what was held up has come and controls have answered. An error ends the
// scan.
func (l *loop) next(ctx context.Context) (p checkpoint.Pass, more bool, err error) {
	if p, more = l.needed(); more && p.Redo {
		l.watch.ConfirmNextHops(ctx) // what one of them lost is not to be asked again
		p, more = l.needed()
	}
	if more && !p.Redo && !p.Payloads && l.dispatch.pass.Number > 1 { // what is limited is no loss
		if err := l.findLimits(ctx); err != nil {
			return p, false, err
		}
		p, more = l.needed()
	}
	if more {
		return p, true, nil
	}
	// What was to be waited for longer, or could not leave at once, may still be
	// answered, and no pass follows to make up for it.
	l.dispatch.drain(ctx, l.dispatch.wait()+engine.BusyTimeout)
	if n := l.table.totals(); n.sumSilent() > 0 {
		if err := l.watch.Confirm(ctx); err != nil {
			return p, false, err
		}
		if err := l.findLimits(ctx); err != nil {
			return p, false, err
		}
	}
	p, more = l.needed()
	return p, more, nil
}

// findLimits tests whether ICMP errors are limited.
func (l *loop) findLimits(ctx context.Context) error {
	n := l.table.totals()
	loss, known := n.loss(&l.limits)
	if !known {
		loss = 1
	}
	if err := l.watch.FindLimits(ctx, loss); err != nil {
		return err
	}
	l.table.use(func(s *state) { l.limits = s.limits(l.watch.Limits()) })
	return nil
}

// needed is the pass that must follow, if any: one that makes up for tries that were
// void; one that loss demands; and when it demands none, UDP again while its silent
// ports have not been sent all of their payloads (see request.Payloads). A service
// that cannot read a request does not answer, so that silence after two of them
// proves little.
func (l *loop) needed() (p checkpoint.Pass, more bool) {
	n := l.table.totals()
	if n.voided > 0 {
		l.table.use(func(s *state) {
			for _, proto := range probe.Protos() {
				p.Asks[proto] = s.behind(proto, &s.pass.Done) > 0
				p.Redo = p.Redo || p.Asks[proto]
			}
		})
		if p.Redo && n.pass.Redone < maxRedone {
			return p, true
		}
		if p.Redo {
			l.watch.GiveUp()
			l.table.use((*state).giveUp)
		}
		p = checkpoint.Pass{}
		l.table.use(func(s *state) { s.voided = 0 }) // no endpoint lacks a try any more
	}
	p.Asks, more = n.lossDemands(&l.limits, l.ports, l.Retries, l.Bound)
	if loss, ok := n.loss(&l.limits); ok && more {
		l.watch.Compare(loss)
	}
	if more || n.pass.Number-n.pass.Redone > l.Retries {
		return p, more
	}
	var left uint64
	if n.silent[probe.UDP] > 0 {
		l.table.use(func(s *state) { left = s.silentPayloads(n.pass.Done[probe.UDP]) })
	}
	if left == 0 || left > MaxPayloadTargets {
		return p, false
	}
	p.Asks[probe.UDP], p.Payloads = true, true
	return p, true
}

// lossDemands is which protocols another pass must ask: in the first, all; in the
// second, those that met silence, to confirm it; and from then on as many as the
// loss demands.
func (n *totals) lossDemands(
	limits *control.Limits, ports verdict.ByProto[int], retries int, bound float64,
) (asks verdict.ByProto[bool], more bool) {
	if n.pass.Number == 0 {
		return verdict.ByProto[bool]{probe.TCP: true, probe.UDP: true}, true
	}
	if n.pass.Number-n.pass.Redone > retries {
		return asks, false
	}
	var missed verdict.ByProto[float64]
	var sum, asked float64
	for _, p := range probe.Protos() {
		if ports[p] > 0 {
			asked++
		}
		switch {
		case n.askable[p] == 0:
		case n.pass.Done[p] == 1:
			asks[p], more = true, true
		default:
			_, missed[p], _ = n.estimate(p, limits)
			sum += missed[p]
		}
	}
	if sum >= bound {
		for p := range missed {
			if missed[p] >= bound/asked && n.askable[p] > 0 {
				asks[p], more = true, true
			}
		}
	}
	return asks, more
}

// loss is the loss of the protocol that lost most.
func (n *totals) loss(limits *control.Limits) (most float64, ok bool) {
	for _, p := range probe.Protos() {
		if loss, _, known := n.estimate(p, limits); known {
			most, ok = max(most, loss), true
		}
	}
	return most, ok
}

// estimate is the loss of a protocol and how many of its silent endpoints probably answer,
// their neighbors that did not answer ARP or NDP included.
func (n *totals) estimate(p probe.Proto, limits *control.Limits) (loss, missed float64, ok bool) {
	tally := n.measurable(p, limits)
	loss, missed, ok = tally.Measure(n.silent[p], n.pass.Done[p])
	absent := n.resolved[p]
	if lost, gone, known := absent.Measure(n.absent[p], n.pass.Done[p]); known && lost > 0 {
		loss, missed, ok = max(loss, lost), max(missed, gone), true
	}
	return loss, missed, ok
}

// measurable is the tally of a protocol, without what came at a limited rate.
func (n *totals) measurable(p probe.Proto, limits *control.Limits) verdict.Tally {
	t := n.answered[p]
	if p == probe.UDP {
		t.Subtract(&limits.Refused)
	}
	return t
}

// MaxPayloads is the most payloads that one of the UDP ports has.
func MaxPayloads(ports []probe.Port) (most int) {
	for _, p := range ports {
		if p.Proto == probe.UDP {
			most = max(most, len(request.Payloads(p.Number)))
		}
	}
	return most
}
