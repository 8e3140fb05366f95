package local

import (
	"context"
	"maps"
	"slices"

	"onmux/probe"
)

// Check looks at the requested ports. The error is only for what makes the
// whole call meaningless: no port, no family, the context ended. What could not
// be read makes verdicts Unknown and is told in the coverage. Check looks at
// the network namespace of the calling thread.
func Check(ctx context.Context, r Request) (Report, error) {
	return check(ctx, r, look)
}

func check(ctx context.Context, r Request, look func(context.Context, query) (view, error)) (Report, error) {
	q, err := newQuery(r)
	if err != nil {
		return Report{}, err
	}
	v, err := look(ctx, q)
	if err != nil {
		return Report{}, err
	}
	behind := make(map[probe.Port][]socket)
	var holders []uint64
	for p, t := range v.census {
		behind[p] = t.behind()
		for _, s := range behind[p] {
			if s.holder != 0 {
				holders = append(holders, s.holder)
			}
		}
	}
	o := owners{}
	if r.Owners {
		if o, err = askOwners(ctx, holders); err != nil {
			return Report{}, err
		}
	}
	return v.report(r, q, behind, o), nil
}

// view is what the sources saw of this machine's sockets.
type view struct {
	census  census
	sources []source // one for each protocol
	notes   []string // what else to say of the coverage
	hints   []string
	where   string // what was looked at: "in this network namespace"
	netns   string // Listener.NetNS
}

// source is where the sockets of one protocol were read, and how well.
type source struct {
	proto    probe.Proto
	name     string // "the kernel (sock_diag)"; "" if there was none
	families string // "IPv4 and IPv6"
	refused  error  // why they were not read from a better place
	err      error  // why they could not be read, or not all of them
	blind    bool   // sockets that are bound and do not listen are not told
}

func (v view) source(p probe.Proto) source {
	i := slices.IndexFunc(v.sources, func(s source) bool { return s.proto == p })
	if i < 0 {
		return source{proto: p}
	}
	return v.sources[i]
}

func (v view) report(r Request, q query, behind map[probe.Port][]socket, o owners) Report {
	var out Report
	listeners := make(map[probe.Port][]Listener)
	for p, sockets := range behind {
		for _, s := range sockets {
			l := s.listener(o)
			l.NetNS = v.netns
			listeners[p] = append(listeners[p], l)
		}
	}
	for _, p := range r.Ports {
		f := finding{port: p, where: v.where, source: v.source(p.Proto), listeners: listeners[p], owners: o}
		if t := v.census[p]; t != nil {
			f.count = t.count
		}
		out.Verdicts = append(out.Verdicts, f.verdict())
	}
	for _, p := range slices.SortedFunc(maps.Keys(listeners), comparePorts) {
		out.Listeners = append(out.Listeners, listeners[p]...)
	}
	out.Coverage = slices.Concat(q.coverage(v.sources), v.notes, o.coverage(r.Owners, out.Listeners))
	out.Hints = slices.Concat(v.hints, o.hints(out.Listeners))
	return out
}

func comparePorts(a, b probe.Port) int {
	if a.Number != b.Number {
		return int(a.Number) - int(b.Number)
	}
	return int(a.Proto) - int(b.Proto)
}

func (s socket) listener(o owners) Listener {
	l := Listener{
		Proto: s.proto, Address: s.local.Addr(), Port: s.local.Port(), Family: s.family,
		State: words[s.state], Reach: reach(s.local.Addr()), Device: s.device,
		Inode: s.inode, Owners: o.of[s.holder],
	}
	if s.queued {
		l.Backlog = &s.backlog
	}
	if s.owned {
		l.UID = &s.uid
	}
	if s.peer.IsValid() {
		l.Peer = s.peer.String()
	}
	return l
}
