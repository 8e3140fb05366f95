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
	var most, all uint64
	for port, p := range d.protos {
		if d.pass.Asks[p] {
			all += d.askable(uint64(port)*d.addrs, uint64(port+1)*d.addrs)
		}
	}
	for lo, hi := range d.plan.Networks {
		var n uint64
		for port, p := range d.protos {
			if d.pass.Asks[p] {
				n += d.askable(uint64(port)*d.addrs+lo, uint64(port)*d.addrs+hi)
			}
		}
		most = max(most, n)
	}
	return float64(most) / float64(max(all, most, 1))
}

// askable counts the endpoints from lo up to and without hi that a later pass asks.
func (d *dispatcher) askable(lo, hi uint64) (n uint64) {
	for ; lo < hi; lo += checkpoint.ChunkSize { // the receiver waits no longer than for a chunk
		d.table.read(func(s *state) { n += s.askableIn(lo, min(lo+checkpoint.ChunkSize, hi)) })
	}
	return n
}
