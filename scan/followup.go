package scan

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"onmux/probe"
	"onmux/probe/decoy"
	"onmux/probe/recog"
	"onmux/probe/service"
)

const (
	// parallelFollowUps is how many open endpoints of a scan are followed up together,
	// each with four connections at most: Rate does not count them.
	parallelFollowUps = 64

	// maxFollowedHosts is of how many hosts it is remembered what their other ports
	// answer. Those beyond are asked again for each of their open ports, and not
	// counted.
	maxFollowedHosts = 65536

	// followUpPatience is how long a follow-up waits at a time for descriptors or ports
	// that the scan itself holds, at most.
	followUpPatience = 2 * time.Second

	// manyEverywhere is how many hosts of a network must answer on every port before
	// the network is reported to.
	manyEverywhere = 8
)

// FollowUp is what is asked of every open endpoint before it is reported, beside the
// scan and by connections. The zero value asks nothing.
type FollowUp struct {
	Identify bool           // which service it is
	Verify   bool           // is it a service: how it handles a connection, too, where not every port of the host is open
	Library  *recog.Library // names more software; nil is none
	Local    probe.Local    // from where; without a port
}

// followUps follows up every open endpoint. Other findings are emitted at once.
type followUps struct {
	FollowUp
	emit    func(Finding) error
	timeout time.Duration
	watch   func(Progress) // may be nil
	slots   chan struct{}
	running sync.WaitGroup

	mu       sync.Mutex // around emit and watch, which are called one at a time, and what follows
	err      error      // the first of emit
	cut      int        // endpoints that were not followed up, because the context ended
	progress Progress   // of the scan and of the follow-ups
	hosts    map[hostPorts]func() (probe.Openness, error)
	nets     map[netip.Prefix]*openNet
}

// hostPorts is what is asked once for all open ports of a host: its other ports.
type hostPorts struct {
	host  netip.Addr
	proto probe.Proto
}

// openNet counts hosts of a network by what their other ports answer.
type openNet struct{ everywhere, otherwise int }

func newFollowUps(c Config, emit func(Finding) error) *followUps {
	return &followUps{
		FollowUp: c.FollowUp, emit: emit, timeout: cmp.Or(c.Timeout, DefaultTimeout), watch: c.Watch,
		slots: make(chan struct{}, parallelFollowUps),
		hosts: make(map[hostPorts]func() (probe.Openness, error)), nets: make(map[netip.Prefix]*openNet),
	}
}

// run is the scan of c with a follow-up of what it finds open.
func (f *followUps) run(ctx context.Context, c Config) (Outcome, error) {
	if c.Watch != nil {
		c.Watch = f.scanned
	}
	o, err := run(ctx, c, func(found Finding) error { return f.take(ctx, found) })
	f.running.Wait()
	notes := f.notes()
	o.Notes, o.Coverage = append(o.Notes, notes...), append(o.Coverage, notes...)
	o.Complete = o.Complete && f.cut == 0
	return o, cmp.Or(err, f.err)
}

// take is the emit of the scan: it waits only while all slots are taken. Its error
// is that of emitting this finding or one before.
func (f *followUps) take(ctx context.Context, found Finding) error {
	r, ok := found.(probe.Result)
	if !ok || r.State != probe.Open {
		return f.pass(found)
	}
	f.slots <- struct{}{}
	f.running.Go(func() {
		f.follow(ctx, &r)
		<-f.slots
		_ = f.pass(r)
		f.followed()
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// pass emits a finding.
func (f *followUps) pass(found Finding) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = f.emit(found)
	}
	return f.err
}

// scanned reports how far the scan is.
func (f *followUps) scanned(p Progress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p.FollowedUp = f.progress.FollowedUp
	f.progress = p
	f.watch(p)
}

// followed reports that one more endpoint was followed up.
func (f *followUps) followed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress.FollowedUp++
	if f.watch != nil {
		f.watch(f.progress)
	}
}

// follow adds to r what a follow-up shows. That nothing can be found out does not
// change the state. Where every port is open, how this one handles a connection
// proves no more.
func (f *followUps) follow(ctx context.Context, r *probe.Result) {
	o := decoy.Options{Timeout: f.timeout, RTT: time.Duration(r.RTT)}
	found, err := f.otherPorts(ctx, r.Endpoint, o)
	if f.Verify && err == nil && !found.Everywhere {
		err = insist(ctx, func() (err error) {
			found.Behavior, err = decoy.Observe(ctx, r.Endpoint, o)
			return err
		})
	}
	if f.Identify {
		r.Service, _ = service.Identify(ctx, r.Endpoint, service.Options{Host: r.Host, RTT: o.RTT,
			Timeout: max(f.timeout, service.DefaultTimeout), Library: f.Library, Local: f.Local})
	}
	switch {
	case err == nil:
		found.ApplyTo(r)
	case ctx.Err() == nil:
		r.Doubts = append(slices.Clip(r.Doubts), probe.Doubt{Kind: probe.DoubtNotVerified, Error: err.Error()})
	}
	if ctx.Err() != nil && (err != nil || f.Identify && r.Service == nil) {
		f.mu.Lock()
		f.cut++
		f.mu.Unlock()
	}
}

// insist asks again, less and less often, while this machine is short of something.
func insist(ctx context.Context, ask func() error) error {
	for pause := 50 * time.Millisecond; ; pause *= 2 {
		err := ask()
		if !errors.Is(err, probe.ErrBusy) || pause > followUpPatience {
			return err
		}
		if err := probe.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// otherPorts asks other ports of a host, once.
func (f *followUps) otherPorts(ctx context.Context, e probe.Endpoint, o decoy.Options) (probe.Openness, error) {
	f.mu.Lock()
	key := hostPorts{e.Addr, e.Proto}
	ask := f.hosts[key]
	if ask == nil {
		keeps := len(f.hosts) < maxFollowedHosts
		ask = sync.OnceValues(func() (found probe.Openness, err error) {
			err = insist(ctx, func() error {
				found, err = decoy.ProbeControls(ctx, e, o)
				return err
			})
			if err == nil && keeps {
				f.count(e.Addr, found)
			}
			return found, err
		})
		if keeps {
			f.hosts[key] = ask
		}
	}
	f.mu.Unlock()
	return ask()
}

// count notes for a host's network, a /24 or a /64 of IPv6, what its other ports answered.
func (f *followUps) count(a netip.Addr, found probe.Openness) {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.nets[p]
	if n == nil {
		n = &openNet{}
		f.nets[p] = n
	}
	if found.Everywhere {
		n.everywhere++
	} else {
		n.otherwise++
	}
}

// notes reports networks in which every open host answers on every port, and what was not followed up.
func (f *followUps) notes() (out []Note) {
	for p, n := range f.nets {
		if n.everywhere >= manyEverywhere && n.otherwise == 0 {
			out = append(out, Note{Kind: CoverOpenEverywhere, Network: p, Count: uint64(n.everywhere)})
		}
	}
	slices.SortFunc(out, func(a, b Note) int { return strings.Compare(a.Network.String(), b.Network.String()) })
	if f.cut > 0 {
		out = append(out, Note{Kind: CoverNotFollowedUp, Count: uint64(f.cut)})
	}
	return out
}
