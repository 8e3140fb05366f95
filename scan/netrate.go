package scan

import (
	"math"

	"onmux/scan/checkpoint"
)

// limitNetworks keeps the rate of the present pass so low that no network gets more
// than NetRate: the order spreads probes evenly, so it follows from the plan.
func (d *dispatcher) limitNetworks() {
	if d.Rate <= d.NetRate { // even if all goes to one
		return
	}
	share := d.networkShare()
	if share == 0 {
		d.pace.CapNetworks(math.Inf(1))
		return
	}
	d.pace.CapNetworks(d.NetRate / share)
}

// networkShare is the largest share of the present pass, 0 to 1, that goes to one
// network: what a later pass asks may all be in one.
func (d *dispatcher) networkShare() float64 {
	if d.pass.Number == 1 {
		return d.plan.NetworkShare()
	}
	all, most := d.askable(0, d.plan.AddrCount()), uint64(0)
	for lo, hi := range d.plan.Networks {
		most = max(most, d.askable(lo, hi))
	}
	return float64(most) / float64(max(all, most, 1))
}

// askable counts the endpoints that a later pass asks of the addresses numbered from lo up to
// and without hi.
func (d *dispatcher) askable(lo, hi uint64) (n uint64) {
	for of := range d.plan.Sections(lo, hi) {
		if !d.pass.Asks[of.Port.Proto] {
			continue
		}
		for i := of.From; i < of.To; i += checkpoint.ChunkSize { // the receiver waits no longer than for a chunk
			d.table.use(func(s *state) { n += s.askableIn(i, min(i+checkpoint.ChunkSize, of.To)) })
		}
	}
	return n
}
