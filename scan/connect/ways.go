package connect

import (
	"context"

	"onmux/scan/engine"
	"onmux/scan/link"
)

// ways are the ways out of this machine by which the kernel sends to the targets. It is
// read-only.
type ways struct {
	Targets
	*link.Paths
}

// newWays looks them up; nil where that cannot be done.
func newWays(ctx context.Context, t Targets) *ways {
	table, err := link.Routes(ctx, link.RouteConfig{Runs: t.Runs(), Ports: t.Ports(), Spread: true})
	if err != nil {
		return nil
	}
	return &ways{t, table.Paths()}
}

// of is the number of the way to a target.
func (w *ways) of(index uint64) int {
	if len(w.All) == 1 {
		return 0
	}
	return w.Of(w.At(index).Addr, w.PortOf(index))
}

// through reports whether a target is reached through a next hop that ARP or NDP can ask.
func (w *ways) through(index uint64) bool { return w != nil && w.All[w.of(index)].Asks() }

// Paths are the ways out, with what the kernel knows of their next hops now.
func (e *Engine) Paths() (out []engine.Path) {
	if e.ways == nil {
		return nil
	}
	for _, r := range e.ways.All {
		p := engine.Path{NextHop: r.Gateway}
		if r.Device != nil {
			p.Device = r.Device.Name
		}
		if r.Asks() {
			p.State = nextHopState(context.Background(), r.Gateway, uint32(r.Device.Index))
		}
		out = append(out, p)
	}
	return out
}

// Path is the way to a target.
func (e *Engine) Path(index uint64) int { return e.ways.of(index) }
