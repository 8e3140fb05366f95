package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"onmux/probe/wording"
)

const (
	// MaxHops bounds a path, as it does for traceroute(8).
	MaxHops = 30

	pathWidth = 6 // hops that are asked at the same time; so many silent ones in a row end a path
	pathTries = 2 // for each hop

	// pathPause is how long a host that limits its ICMP errors is left alone before the
	// next: Linux sends one a second to each peer (icmp(7), icmp_ratelimit).
	pathPause = 1100 * time.Millisecond
)

// Hop is a step of the path to an endpoint: what became of a packet that may be
// handed on so often.
type Hop struct {
	Hop     int        `json:"hop"`              // the packet's TTL, or hop limit; from 1
	Address netip.Addr `json:"address,omitzero"` // who said so; not known where nobody did
	RTT     Millis     `json:"rtt_ms,omitzero"`
	Reason  Reason     `json:"reason,omitzero"` // time-exceeded: a router on the way; another one is the path's end
}

// ends reports whether no packet goes beyond this hop.
func (h Hop) ends() bool { return h.Reason != NoReason && h.Reason != TimeExceeded }

// PathOptions bound a search for a path.
type PathOptions struct {
	Timeout  time.Duration // for one try of one hop; must be > 0
	Answered bool          // the endpoint is known to answer: go on behind any number of silent hops
}

// Path finds who hands packets for e on, by attempts at e itself that may be
// handed on once, twice, and so on up to MaxHops (the TTL of RFC 791 and the hop
// limit of RFC 8200). It asks a few hops at a time, each at most twice, and
// stops at whoever answers for e, at a loop, or behind pathWidth silent hops in a
// row, which it leaves out at the end. Where several ways lead to e, attempts may
// take different ones.
//
// The error is the context's, wraps ErrBusy or errors.ErrUnsupported, or is one
// line about this machine; the path is then what was found up to it.
func Path(ctx context.Context, e Endpoint, o PathOptions) ([]Hop, error) {
	if !canTrace {
		return nil, fmt.Errorf("the path is not available on this system, which does not tell sockets of ICMP: %w", errors.ErrUnsupported)
	}
	return walk(ctx, o.Answered, func(ctx context.Context, hop int) (Result, error) {
		return Ask(ctx, e, Options{Timeout: o.Timeout, hops: hop})
	})
}

// walk is Path; step makes one attempt that may be handed on hop times.
func walk(ctx context.Context, answered bool, step func(ctx context.Context, hop int) (Result, error)) ([]Hop, error) {
	var path []Hop
	for len(path) < MaxHops {
		some, err := stride(ctx, len(path)+1, min(pathWidth, MaxHops-len(path)), step)
		path = append(path, some...)
		if end := slices.IndexFunc(path, Hop.ends); end >= 0 {
			path, err := nearer(ctx, path[:end+1], step)
			return fold(path), err
		}
		quiet := !slices.ContainsFunc(some, func(h Hop) bool { return h.Address.IsValid() })
		if err != nil || quiet && !answered {
			return trim(path), err
		}
		if at, again := loop(path); again {
			return path[:at+1], nil
		}
	}
	return trim(path), nil
}

// limited reports whether who ends a path may have ended it before, for packets that may be
// handed on less often: it said so by ICMP, which is limited, and the hop before is silent.
func limited(path []Hop) bool {
	end := len(path) - 1
	if end < 1 || !path[end].ends() || path[end-1].Reason != NoReason {
		return false
	}
	switch path[end].Reason {
	case SynAck, Reset, UDPResponse, NoNeighbour:
		return false
	}
	return true
}

// nearer asks the silent hops before the end once more, one at a time, until one of them
// is not the end, or stays silent.
func nearer(ctx context.Context, path []Hop, step func(context.Context, int) (Result, error)) ([]Hop, error) {
	for limited(path) {
		if !pause(ctx, pathPause) {
			return path, ctx.Err()
		}
		before := len(path) - 2
		h, err := hear(ctx, path[before].Hop, step)
		if err != nil || h.Reason == NoReason {
			return path, err
		}
		path[before] = h
		if h.ends() {
			path = path[:before+1]
		}
	}
	return path, nil
}

// stride asks n hops at the same time.
func stride(ctx context.Context, first, n int, step func(context.Context, int) (Result, error)) ([]Hop, error) {
	hops, errs := make([]Hop, n), make([]error, n)
	var all sync.WaitGroup
	for i := range hops {
		all.Go(func() { hops[i], errs[i] = hear(ctx, first+i, step) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return hops, err
		}
	}
	return hops, nil
}

func hear(ctx context.Context, hop int, step func(context.Context, int) (Result, error)) (Hop, error) {
	h := Hop{Hop: hop}
	for range pathTries {
		r, err := step(ctx, hop)
		switch {
		case err != nil:
			return h, err
		case r.Reason == LocalError:
			return h, errors.New(r.Error)
		case r.Reason == NoResponse:
			continue
		}
		h.RTT, h.Reason = r.RTT, r.Reason
		if r.Reason != NoNeighbour { // which nobody says
			h.Address = r.Endpoint.Addr
			if r.Responder.IsValid() {
				h.Address = r.Responder
			}
		}
		break
	}
	return h, nil
}

// fold makes one hop of a router's two: it lets a packet end of old age before it
// looks whether to forbid it, and so answers for the hop behind itself.
func fold(path []Hop) []Hop {
	end := len(path) - 1
	if end > 0 && path[end].Address.IsValid() && path[end].Address == path[end-1].Address {
		path[end].Hop--
		path = append(path[:end-1], path[end])
	}
	return path
}

// trim leaves out the silent hops at the end of a path.
func trim(path []Hop) []Hop {
	for len(path) > 0 && !path[len(path)-1].Address.IsValid() {
		path = path[:len(path)-1]
	}
	return path
}

// loop finds where a path comes back to a router that others have followed.
func loop(path []Hop) (at int, again bool) {
	seen := make(map[netip.Addr]int)
	for i, h := range path {
		if !h.Address.IsValid() {
			continue
		}
		if was, ok := seen[h.Address]; ok && slices.ContainsFunc(path[was:i], func(b Hop) bool { return b.Address.IsValid() && b.Address != h.Address }) {
			return i, true
		}
		seen[h.Address] = i
	}
	return 0, false
}

// TellPath says in one sentence what a path of e shows: how far it is, or who
// ends it.
func TellPath(e Endpoint, path []Hop) string {
	if len(path) == 0 {
		return "not even the first hop says anything"
	}
	last := path[len(path)-1]
	hop, but := fmt.Sprintf("hop %d", last.Hop), ""
	if limited(path) {
		hop, but = "at most "+hop, "; the hops before it say nothing, perhaps because their ICMP is limited"
	}
	at := fmt.Sprintf("%s (%s)", last.Address, hop)
	_, again := loop(path)
	switch {
	case last.Reason == NoNeighbour:
		return "nothing leaves this machine: no neighbour answers for the address or for the gateway to it"
	case again:
		return "a routing loop: the packet comes back to " + at
	case !last.ends():
		return "the packet gets as far as " + at + "; what comes next says nothing"
	case !sameHost(last.Address, e.Addr):
		return fmt.Sprintf("the packet gets as far as %s, which answers %s%s", at, last.Reason, but)
	case last.Hop == 1:
		return "the target is the first hop: no router lies between"
	}
	if but != "" {
		return "the target is " + hop + but
	}
	return fmt.Sprintf("the target is hop %d: %s between", last.Hop, wording.Count(last.Hop-1, "router", "routers"))
}
