package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"onmux/probe"
	"onmux/probe/decoy"
	"onmux/probe/recog"
	"onmux/probe/service"
	"onmux/probe/wording"
)

const (
	// secondParallel is how many open endpoints of a sweep are looked at a second
	// time together, each with four connections at most: Rate does not count them.
	secondParallel = 64

	// secondKept is of how many hosts it is remembered what their other ports say.
	// Those beyond are asked again for each of their open ports, and not counted.
	secondKept = 65536

	// secondPatience is how long a look waits at a time for descriptors or ports that
	// the sweep itself holds, at most.
	secondPatience = 2 * time.Second

	// manyEverywhere is how many hosts of a network answer on every port before
	// the network is said to.
	manyEverywhere = 8
)

// SecondLook is what is asked of every open endpoint before it is told, beside the
// sweep and by connections. The zero value asks nothing.
type SecondLook struct {
	Identify bool           // what speaks there
	Verify   bool           // is it a service: its conduct, too, where not every port of the host is open
	Library  *recog.Library // names more software; nil is none
}

// second looks a second time at every open endpoint. Findings that need none are
// told at once.
type second struct {
	SecondLook
	ctx     context.Context
	emit    func(Finding) error
	timeout time.Duration
	watch   func(Progress) // may be nil

	slots chan struct{}
	looks sync.WaitGroup
	mu    sync.Mutex // around emit and watch, which take one at a time, and what follows
	err   error      // the first of emit
	cut   int        // endpoints that were not looked at, because the context ended
	far   Progress   // of the sweep and of the looks
	hosts map[control]func() (probe.Openness, error)
	nets  map[netip.Prefix]*openNet
}

// control is what is asked once for all open ports of a host.
type control struct {
	host  netip.Addr
	proto probe.Proto
}

// openNet counts hosts of a network by what their other ports say.
type openNet struct{ everywhere, otherwise int }

func newSecond(ctx context.Context, c Config, emit func(Finding) error) *second {
	return &second{
		SecondLook: c.Second, ctx: ctx, emit: emit, timeout: cmp.Or(c.Timeout, DefaultTimeout), watch: c.Watch,
		slots: make(chan struct{}, secondParallel),
		hosts: make(map[control]func() (probe.Openness, error)), nets: make(map[netip.Prefix]*openNet),
	}
}

// run is sweep.run with a second look at what it finds open.
func (l *second) run(c Config) (Outcome, error) {
	if c.Watch != nil {
		c.Watch = l.swept
	}
	o, err := run(l.ctx, c, l.take)
	l.looks.Wait()
	notes := l.notes()
	o.Notes, o.Coverage = append(o.Notes, notes...), append(o.Coverage, notes...)
	o.Complete = o.Complete && l.cut == 0
	return o, cmp.Or(err, l.err)
}

// take is the emit of the sweep: it waits only while all slots are taken. Its
// error is that of telling this finding or one before.
func (l *second) take(f Finding) error {
	r, ok := f.(probe.Result)
	if !ok || r.State != probe.Open {
		return l.tell(f)
	}
	l.slots <- struct{}{}
	l.looks.Go(func() {
		l.look(&r)
		<-l.slots
		_ = l.tell(r)
		l.progress()
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *second) tell(f Finding) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = l.emit(f)
	}
	return l.err
}

// swept is told how far the sweep is.
func (l *second) swept(p Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.Looked = l.far.Looked
	l.far = p
	l.watch(p)
}

// progress tells that one more endpoint was looked at.
func (l *second) progress() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.far.Looked++
	if l.watch != nil {
		l.watch(l.far)
	}
}

// look adds to r what a second look shows. That nothing can be told does not
// change the state. Where every port is open, what this one does with a
// connection says no more.
func (l *second) look(r *probe.Result) {
	o := decoy.Options{Timeout: l.timeout, RTT: time.Duration(r.RTT)}
	found, err := l.controls(r.Endpoint, o)
	if l.Verify && err == nil && !found.Everywhere {
		err = l.insist(func() (err error) {
			found.Behavior, err = decoy.Observe(l.ctx, r.Endpoint, o)
			return err
		})
	}
	if l.Identify {
		r.Service, _ = service.Identify(l.ctx, r.Endpoint, service.Options{Host: r.Host, RTT: o.RTT, Library: l.Library})
	}
	switch {
	case err == nil:
		found.ApplyTo(r)
	case l.ctx.Err() == nil:
		r.Notes = append(slices.Clone(r.Notes), "whether it is a service could not be looked at: "+err.Error())
	}
	if l.ctx.Err() != nil && (err != nil || l.Identify && r.Service == nil) {
		l.mu.Lock()
		l.cut++
		l.mu.Unlock()
	}
}

// insist looks again, ever later, while this machine is short of something.
func (l *second) insist(look func() error) error {
	for pause := 50 * time.Millisecond; ; pause *= 2 {
		err := look()
		if !errors.Is(err, probe.ErrBusy) || pause > secondPatience {
			return err
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-l.ctx.Done():
			t.Stop()
			return l.ctx.Err()
		}
	}
}

// controls asks other ports of a host, once.
func (l *second) controls(e probe.Endpoint, o decoy.Options) (probe.Openness, error) {
	l.mu.Lock()
	key := control{e.Addr, e.Proto}
	ask := l.hosts[key]
	if ask == nil {
		keeps := len(l.hosts) < secondKept
		ask = sync.OnceValues(func() (found probe.Openness, err error) {
			err = l.insist(func() error {
				found, err = decoy.ProbeControls(l.ctx, e, o)
				return err
			})
			if err == nil && keeps {
				l.count(e.Addr, found)
			}
			return found, err
		})
		if keeps {
			l.hosts[key] = ask
		}
	}
	l.mu.Unlock()
	return ask()
}

// count notes what a host's other ports said of its network: a /24, or a /64 of
// IPv6.
func (l *second) count(a netip.Addr, found probe.Openness) {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.nets[p]
	if n == nil {
		n = &openNet{}
		l.nets[p] = n
	}
	if found.Everywhere {
		n.everywhere++
	} else {
		n.otherwise++
	}
}

// notes tells of networks in which every open host answers on every port, and of
// what was not looked at.
func (l *second) notes() []string {
	var out []string
	if l.cut > 0 {
		out = append(out, fmt.Sprintf("not looked at a second time: %s of the open endpoints", wording.Number(uint64(l.cut))))
	}
	for p, n := range l.nets {
		if n.everywhere >= manyEverywhere && n.otherwise == 0 {
			out = append(out, fmt.Sprintf("%s: all %d open hosts that were looked at answer on every port: something before them answers in their place", p, n.everywhere))
		}
	}
	slices.Sort(out)
	return out
}
