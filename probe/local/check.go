package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local/firewall"
	"onmux/probe/local/netns"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
	"onmux/probe/ports"
)

// Check looks at the requested ports. The error is only for what makes the
// whole call meaningless: no port, no family, the context ended, of which the
// report has nothing but a verdict of Unknown for each port; and with
// Request.All, together with a report, for a source that could not be read, because no
// verdict stands for the ports that it would have listed. What else could not
// be read makes verdicts Unknown and is part of the coverage. Check looks at
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
		r.Ports = v.interesting(r.Ports)
		v.keep(r.Ports)
	}
	holders := make(map[probe.Port][]socket.Socket)
	var held []socket.Socket
	for p, t := range v.Table {
		if r.Words && t.Count[socket.Listening] > 0 {
			continue // the word is known, and nobody asks for more
		}
		holders[p] = t.Holders()
		for _, s := range holders[p] {
			if s.Holder != 0 {
				held = append(held, s)
			}
		}
	}
	held = append(held, v.others.Sockets()...)
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
		if o, err = owner.Find(ctx, held, r.Unmask); err != nil {
			return unfinished(r, err), err
		}
		if err = v.traced.FindBehind(ctx, o); err != nil {
			return unfinished(r, err), err
		}
		if v.behind, err = v.findBehind(ctx, r.Ports, held, o); err != nil {
			return unfinished(r, err), err
		}
	}
	report := v.report(r, q, holders, o)
	if len(r.All) > 0 && v.failed() != nil {
		return report, fmt.Errorf("not every port could be looked at: %w", v.failed())
	}
	return report, nil
}

// interesting adds the ports on which something listens, and those that NAT rules
// send on, to those that were asked for by number, in order.
func (v view) interesting(asked []probe.Port) []probe.Port {
	ports := slices.Concat(asked, v.others.Listening(), v.selected())
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
	v.others.Keep(wanted)
}

// failed is why not every port that is listened on may have been seen.
func (v view) failed() error {
	var errs []error
	for _, s := range v.Sources {
		if s.Err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", strings.ToUpper(s.Proto.String()), s.Err))
		}
	}
	return errors.Join(errs...)
}

// view is what was read of this machine.
type view struct {
	socket.Survey
	settled bool   // something listens on every port, and the rest was not read
	netns   string // Listener.NetNS: "" where there are no network namespaces
	others  netns.Others
	ways
	traced tracing
	behind map[probe.Endpoint]*owner.Behind // who listens where proxies and rules pass on to
}

// report puts together what was seen.
func (v view) report(r Request, q query, holders map[probe.Port][]socket.Socket, o owner.Owners) Report {
	var out Report
	var rules settings
	if !r.Words {
		rules.Settings = ports.ReadSettings()
		if q.IPv6 {
			rules.ipv6 = ipv6Obstacle()
		}
	}
	listeners := make(map[probe.Port][]Listener, len(holders))
	total := 0
	for p, sockets := range holders {
		listeners[p] = newListeners(sockets, o, v.netns)
		v.setBehind(listeners[p])
		total += len(sockets)
	}
	out.Verdicts = make([]Verdict, 0, len(r.Ports))
	out.Listeners = make([]Listener, 0, total)
	others := byPort(v.others, o)
	for _, p := range r.Ports {
		if u := v.Table[p]; r.Words && u != nil && u.Count[socket.Listening] > 0 {
			out.Verdicts = append(out.Verdicts, Verdict{
				Port: p.Number, Proto: p.Proto, Verdict: Listening, Cause: SeenSocket})
			continue
		}
		f := Facts{
			Port: p, NetNS: v.netns, Answers: v.traced.answers(p, o), Bind: Bind{Below: rules.below()},
			Sockets:   Sockets{Source: v.Source(p.Proto), Listeners: listeners[p], NoOwner: noOwner(o), Overflows: v.Overflows},
			Elsewhere: Elsewheres{others[p], v.others.Coverage.Incomplete()},
			NAT:       Rules{v.behindRedirects(p), v.nat.Unknown[p], v.rules.Incomplete()},
			Firewall:  firewall.Judge(v.rules, v.obstacles(holders[p]), p),
			Programs:  Programs{v.unknown(p), v.programs.Incomplete(), v.Raw[p.Proto], v.byMark() || v.servicesErr != nil},
		}
		if u := v.Table[p]; u != nil {
			f.Counts, f.CloseWait, f.TimeWait = u.Count, u.CloseWait, u.TimeWait
		}
		out.Verdicts = append(out.Verdicts, v.judge(f, rules, q.Query))
	}
	for p, namespaces := range others {
		for _, n := range namespaces {
			listeners[p] = append(listeners[p], n.Listeners...)
		}
	}
	for _, p := range slices.SortedFunc(maps.Keys(listeners), comparePorts) {
		out.Listeners = append(out.Listeners, listeners[p]...)
	}
	out.Coverage = v.coverage(r, q, o, out)
	return out
}

// judge is the verdict on a port, which is bound where that was asked for and
// nothing listens.
func (v *view) judge(f Facts, s settings, q socket.Query) Verdict {
	out := Judge(f)
	if v.traced.asked && out.Verdict != Listening {
		f.Bind.Trials, f.Bind.InUse = v.traced.bind(q, f.Port)
		out = Judge(f)
	}
	out.Facts.Bind.Obstacles = s.obstacles(f.Port, out.Verdict, f.Counts)
	for _, a := range f.Answers {
		out.Trace = append(out.Trace, a.record())
	}
	return out
}

// byPort is the sockets of other network namespaces by port, in the order of the
// namespaces.
func byPort(others netns.Others, o owner.Owners) map[probe.Port][]Namespace {
	all := make(map[probe.Port][]Namespace)
	for _, n := range others.Namespaces {
		for p, sockets := range n.Held {
			all[p] = append(all[p], Namespace{n.Name, newListeners(sockets, o, n.Name)})
		}
	}
	return all
}

// noOwner is why a socket has no owner.
func noOwner(o owner.Owners) NoOwner {
	switch {
	case !o.Asked:
		return ""
	case o.Err != nil || o.Incomplete():
		return OwnerUnreadable
	case o.Outside:
		return OutsideOwner
	}
	return NoProcess
}

// unfinished is the report of a call whose context ended.
func unfinished(r Request, ended error) (out Report) {
	cause := Interrupted
	if errors.Is(ended, context.DeadlineExceeded) {
		cause = TimedOut
	}
	for _, p := range r.Ports {
		out.Verdicts = append(out.Verdicts, Verdict{
			Port: p.Number, Proto: p.Proto, Verdict: Unknown, Cause: cause, Facts: &Facts{Port: p}})
	}
	return out
}
