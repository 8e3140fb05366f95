package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"onmux/probe"
	"onmux/probe/local/nat"
	"onmux/probe/local/netns"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
	"onmux/probe/ports"
)

// Check looks at the requested ports. The error is only for what makes the
// whole call meaningless: no port, no family, the context ended, of which the
// report has nothing but a verdict of Unknown for each port; and with
// Request.All, beside a report, for a source that could not be read, because no
// verdict stands for the ports that it would have told. What else could not
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
		return unfinished(r, err), err
	}
	if len(r.All) > 0 {
		r.Ports = v.telling(r.Ports)
		v.keep(r.Ports)
	}
	behind := make(map[probe.Port][]socket.Socket)
	var held []socket.Socket
	for p, t := range v.Table {
		behind[p] = t.Holders()
		for _, s := range behind[p] {
			if s.Holder != 0 {
				held = append(held, s)
			}
		}
	}
	held = append(held, v.abroad.Sockets()...)
	if r.Trace {
		v.traced.asked = true
		if v.traced.Result, err = trace.Connect(ctx, q.Query, v.Table, r.Ports); err != nil {
			return unfinished(r, err), err
		}
		defer v.traced.Close()
		held = append(held, v.traced.Sockets()...)
	}
	o := owner.Owners{Users: make(owner.Users)}
	if r.Owners {
		if o, err = owner.Find(ctx, held); err != nil {
			return unfinished(r, err), err
		}
		if err = v.traced.FindBehind(ctx, o); err != nil {
			return unfinished(r, err), err
		}
	}
	report := v.report(r, q, behind, o)
	if len(r.All) > 0 && v.failed() != nil {
		return report, fmt.Errorf("not every port could be looked at: %w", v.failed())
	}
	return report, nil
}

// telling adds the ports on which something listens, and those that NAT rules
// send on, to those that were asked for by number, in order.
func (v view) telling(asked []probe.Port) []probe.Port {
	ports := slices.Concat(asked, v.abroad.Listening(), slices.Collect(maps.Keys(v.nat.Selected)))
	for p, t := range v.Table {
		if t.Count[socket.Listening] > 0 {
			ports = append(ports, p)
		}
	}
	slices.SortFunc(ports, comparePorts)
	return slices.Compact(ports)
}

// keep forgets all ports but these.
func (v view) keep(ports []probe.Port) {
	wanted := func(p probe.Port) bool {
		_, found := slices.BinarySearchFunc(ports, p, comparePorts)
		return found
	}
	maps.DeleteFunc(v.Table, func(p probe.Port, _ *socket.Usage) bool { return !wanted(p) })
	v.abroad.Keep(wanted)
}

// failed is why not every port that is listened on may have been seen.
func (v view) failed() error {
	var errs []error
	for _, s := range v.Sources {
		if s.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", upper(s.Proto), s.Err))
		}
	}
	return errors.Join(errs...)
}

// view is what the sources saw of this machine's sockets.
type view struct {
	socket.Survey
	settled bool   // something listens on every port, and the rest was not read
	where   string // what was looked at: "in this network namespace"
	netns   string // Listener.NetNS
	abroad  netns.Others
	nat     nat.Result
	traced  tracing
}

func (v view) report(r Request, q query, behind map[probe.Port][]socket.Socket, o owner.Owners) Report {
	var out Report
	rules := settings{Settings: ports.ReadSettings()}
	if q.IPv6 {
		rules.ipv6 = ipv6Obstacle()
	}
	listeners := make(map[probe.Port][]Listener, len(behind))
	total := 0
	for p, sockets := range behind {
		all := make([]Listener, len(sockets))
		for i, s := range sockets {
			all[i] = newListener(s, o)
			all[i].NetNS = v.netns
		}
		listeners[p] = all
		total += len(all)
	}
	out.Verdicts = make([]Verdict, 0, len(r.Ports))
	out.Listeners = make([]Listener, 0, total)
	others := elsewhere(v.abroad, o)
	for _, p := range r.Ports {
		f := finding{port: p, where: v.where, source: v.Source(p.Proto), listeners: listeners[p], owners: o, dropped: v.Dropped,
			redirects: inWords(v.nat.Redirects[p]), unread: v.nat.Unknown[p], unruled: v.nat.Incomplete(), attempts: v.traced.Attempts[p]}
		f.elsewhere, f.missed = others[p], v.abroad.Coverage.Incomplete()
		if t := v.Table[p]; t != nil {
			f.count = t.Count
		}
		out.Verdicts = append(out.Verdicts, f.judge(&v.traced, rules, q.Query))
	}
	for p, places := range others {
		for _, f := range places {
			listeners[p] = append(listeners[p], f.listeners...)
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(listeners), comparePorts) {
		out.Listeners = append(out.Listeners, listeners[p]...)
	}
	natRules := natCoverage(v.nat)
	if len(r.All) > 0 {
		natRules = append(natRules, wideRules(v.nat)...)
	}
	out.Coverage = slices.Concat(q.coverage(v.Sources), v.notes(), namespacesCoverage(v.abroad.Coverage), natRules, v.traced.coverage(q.Query), ownersCoverage(o, r.Owners, out.Listeners))
	out.Hints = slices.Concat(v.hintsOf(), bindHint(r, out.Verdicts), namespacesHints(v.abroad.Coverage), natHints(v.nat, !r.Trace && len(q.Ports[probe.TCP]) > 0), ownersHints(o, out.Listeners))
	return out
}

func comparePorts(a, b probe.Port) int {
	if a.Number != b.Number {
		return int(a.Number) - int(b.Number)
	}
	return int(a.Proto) - int(b.Proto)
}
