package traceroute

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"onmux/probe"
)

const (
	// MaxHops bounds a path, as it does for traceroute(8).
	MaxHops = 30

	batchSize = 6 // hops that are probed at the same time; so many silent ones in a row end a path
	hopTries  = 2 // for each hop

	// limitPause is how long a host that limits its ICMP errors gets before the next:
	// Linux sends one a second to each peer (icmp(7), icmp_ratelimit).
	limitPause = 1100 * time.Millisecond
)

// Options bound a search for a path.
type Options struct {
	Timeout  time.Duration // for one attempt at one hop; must be > 0
	Answered bool          // the endpoint is known to answer: go on behind any number of silent hops
}

// Run finds the routers on the way to e, by attempts at e itself with a TTL (RFC 791),
// or hop limit (RFC 8200), of 1, 2, and so on up to MaxHops. It probes a few hops at a
// time, each at most twice, and stops at what answers for e, at a loop, or behind
// batchSize silent hops in a row, which it leaves out at the end. Where several ways
// lead to e, attempts may take different ones.
//
// The error is the context's, wraps probe.ErrBusy or errors.ErrUnsupported, or is one
// line about this machine; the path is then what was found up to it.
func Run(ctx context.Context, e probe.Endpoint, o Options) ([]probe.Hop, error) {
	t := tracer(func(ctx context.Context, hop int) (probe.Result, error) {
		return probe.Do(ctx, e, probe.Options{Timeout: o.Timeout, HopLimit: hop})
	})
	return t.run(ctx, o.Answered)
}

// tracer makes one attempt with a hop limit.
type tracer func(ctx context.Context, hop int) (probe.Result, error)

func (t tracer) run(ctx context.Context, answered bool) ([]probe.Hop, error) {
	var path []probe.Hop
	for len(path) < MaxHops {
		batch, err := t.batch(ctx, len(path)+1, min(batchSize, MaxHops-len(path)))
		path = append(path, batch...)
		if end := slices.IndexFunc(path, probe.Hop.IsEnd); end >= 0 {
			path, err := t.findNearerEnd(ctx, path[:end+1])
			return mergeLastRouter(path), err
		}
		silent := !slices.ContainsFunc(batch, func(h probe.Hop) bool { return h.Address.IsValid() })
		if err != nil || silent && !answered {
			return trimSilent(path), err
		}
		if at, found := FindLoop(path); found {
			return path[:at+1], nil
		}
	}
	return trimSilent(path), nil
}

// EndMayBeNearer reports whether the last hop may have ended the path for packets with
// a smaller limit already: it answered by ICMP, which is rate-limited, and the hop
// before is silent.
func EndMayBeNearer(path []probe.Hop) bool {
	end := len(path) - 1
	if end < 1 || !path[end].IsEnd() || path[end-1].Reason != probe.NoReason {
		return false
	}
	switch path[end].Reason {
	case probe.SynAck, probe.Reset, probe.UDPResponse, probe.NoNeighbor:
		return false
	}
	return true
}

// findNearerEnd probes the silent hops before the end once more, one at a time, until
// one of them is not the end, or stays silent.
func (t tracer) findNearerEnd(ctx context.Context, path []probe.Hop) ([]probe.Hop, error) {
	for EndMayBeNearer(path) {
		select {
		case <-time.After(limitPause):
		case <-ctx.Done():
			return path, ctx.Err()
		}
		before := len(path) - 2
		h, err := t.hop(ctx, path[before].Hop)
		if err != nil || h.Reason == probe.NoReason {
			return path, err
		}
		path[before] = h
		if h.IsEnd() {
			path = path[:before+1]
		}
	}
	return path, nil
}

// batch probes n hops at the same time.
func (t tracer) batch(ctx context.Context, first, n int) ([]probe.Hop, error) {
	hops, errs := make([]probe.Hop, n), make([]error, n)
	var all sync.WaitGroup
	for i := range hops {
		all.Go(func() { hops[i], errs[i] = t.hop(ctx, first+i) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return hops, err
		}
	}
	return hops, nil
}

func (t tracer) hop(ctx context.Context, hop int) (probe.Hop, error) {
	h := probe.Hop{Hop: hop}
	for range hopTries {
		r, err := t(ctx, hop)
		switch {
		case err != nil:
			return h, err
		case r.Reason == probe.LocalError:
			return h, errors.New(r.Error)
		case r.Reason == probe.NoResponse:
			continue
		}
		h.RTT, h.Reason = r.RTT, r.Reason
		if r.Reason != probe.NoNeighbor { // which comes from this machine
			h.Address = r.Endpoint.Addr
			if r.Responder.IsValid() {
				h.Address = r.Responder
			}
		}
		break
	}
	return h, nil
}

// mergeLastRouter makes one hop of a router's two: a router decrements the TTL before
// its firewall decides, and so answers for the hop behind itself.
func mergeLastRouter(path []probe.Hop) []probe.Hop {
	end := len(path) - 1
	if end > 0 && path[end].Address.IsValid() && path[end].Address == path[end-1].Address {
		path[end].Hop--
		path = append(path[:end-1], path[end])
	}
	return path
}

// trimSilent leaves out the silent hops at the end of a path.
func trimSilent(path []probe.Hop) []probe.Hop {
	for len(path) > 0 && !path[len(path)-1].Address.IsValid() {
		path = path[:len(path)-1]
	}
	return path
}

// FindLoop finds where a path comes back to a router, with others in between.
func FindLoop(path []probe.Hop) (at int, found bool) {
	seen := make(map[netip.Addr]int)
	for i, h := range path {
		if !h.Address.IsValid() {
			continue
		}
		another := func(b probe.Hop) bool { return b.Address.IsValid() && b.Address != h.Address }
		if first, ok := seen[h.Address]; ok && slices.ContainsFunc(path[first:i], another) {
			return i, true
		}
		seen[h.Address] = i
	}
	return 0, false
}
