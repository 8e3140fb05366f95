package raw

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"onmux/scan/link"
	"onmux/scan/packet"
)

const (
	// nextHopTries is how often a next hop is asked before the scan begins.
	nextHopTries = 3

	// nextHopRefresh is how long a next hop's MAC is used before it is asked for
	// again. What is sent to one that has moved is lost, so it is less than Linux'
	// base_reachable_time: as long as Linux uses an entry that is not confirmed
	// (delay_first_probe_time; RFC 4861, section 10, DELAY_FIRST_PROBE_TIME).
	nextHopRefresh = 5 * time.Second
)

// resolveNextHops asks the next hops for their MACs. The kernel's entries may be
// out of date, so that they count only for one that does not answer the first
// question; those that an administrator has fixed count always. One whose MAC
// stays unknown is asked again with every try of the scan.
func (r *receiver) resolveNextHops(ctx context.Context) error {
	cached, err := r.readKernelNeighbors(ctx)
	if err != nil {
		return err
	}
	for range nextHopTries {
		if !r.late.solicit((*nextHop).unknown) {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, neighborTimeout)
		err := r.await(ctx, r.neighbors.nextHops.known)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		for h, m := range cached {
			if h.unknown() {
				h.set(m)
			}
		}
	}
	return ctx.Err()
}

// readKernelNeighbors reads the kernel's neighbors on the devices that are used:
// fixed entries are taken over, and those of next hops returned.
func (c *core) readKernelNeighbors(ctx context.Context) (map[*nextHop]packet.MAC, error) {
	seen := make(map[int]bool)
	cached := make(map[*nextHop]packet.MAC)
	for i := range c.routes.all {
		to := &c.routes.all[i]
		if to.failure != "" || !to.Frames || seen[to.Device.Index] {
			continue
		}
		seen[to.Device.Index] = true
		list, err := link.Neighbors(ctx, to.Device)
		if err != nil {
			return nil, err
		}
		for _, k := range list {
			n := neighbor{k.Addr, to.Device.Index}
			if k.Fixed {
				c.neighbors.fix(n, k.MAC)
			} else if h := c.neighbors.nextHops[n]; h != nil {
				cached[h] = k.MAC
			}
		}
	}
	return cached, nil
}

// refresher asks the next hops again whose MACs are old, or all of them after
// revalidate. The receiver calls refresh; any goroutine may call revalidate.
type refresher struct {
	late *lateSender
	all  atomic.Bool // they are all to be asked
	at   time.Time   // when they are looked at again
}

// refresh returns how long it takes until a next hop is due; negative if none
// ever is. One that does not answer keeps its MAC.
func (r *refresher) refresh(now time.Time) time.Duration {
	if len(r.late.neighbors.nextHops) == 0 {
		return -1
	}
	all := r.all.Swap(false)
	if now.Before(r.at) && !all {
		return r.at.Sub(now)
	}
	r.at = now.Add(nextHopRefresh)
	r.late.solicit(func(h *nextHop) bool {
		return !h.fixed && (all || h.isStale(now))
	})
	return nextHopRefresh
}

// revalidate has the next refresh ask all of them.
func (r *refresher) revalidate() {
	r.all.Store(true)
	r.late.socket.Wake()
}
