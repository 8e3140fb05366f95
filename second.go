package main

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
	"onmux/probe/recog"
	"onmux/probe/service"
	"onmux/report"
	"onmux/scan"
)

const (
	// secondParallel is how many open endpoints of a scan are looked at a second
	// time together, each with four connections at most: --rate does not count them.
	secondParallel = 64

	// secondKept is of how many hosts it is remembered what their other ports say.
	// Those beyond are asked again for each of their open ports, and not counted.
	secondKept = 65536

	// secondPatience is how long a look waits at a time for descriptors or ports that
	// the scan itself holds, at most.
	secondPatience = 2 * time.Second

	// manyEverywhere is how many hosts of a network answer on every port before
	// the network is said to.
	manyEverywhere = 8
)

// secondLook adds to every open endpoint of a scan what speaks there, and whether
// that is a service, before it is told. Findings that need none are told at once.
type secondLook struct {
	ctx      context.Context
	emit     func(report.Finding) error
	identify bool
	verify   bool // look at its conduct too
	library  *recog.Library
	timeout  time.Duration
	bar      *report.Progress

	slots chan struct{}
	looks sync.WaitGroup
	mu    sync.Mutex // around emit, which takes one finding at a time, and what follows
	err   error      // the first of emit
	cut   int        // endpoints that were not looked at, because the context ended
	done  uint64     // endpoints that were
	scan  scan.Progress
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

func (w *sweep) newSecondLook(ctx context.Context, emit func(report.Finding) error) *secondLook {
	return &secondLook{
		ctx: ctx, emit: emit, identify: w.identify, verify: w.verify, library: w.library, timeout: cmp.Or(w.config.Timeout, scan.DefaultTimeout), bar: w.progress,
		slots: make(chan struct{}, secondParallel),
		hosts: make(map[control]func() (probe.Openness, error)), nets: make(map[netip.Prefix]*openNet),
	}
}

// take is an emit for scan.Run: it waits only while all slots are taken. Its
// error is that of telling this finding or one before.
func (l *secondLook) take(f report.Finding) error {
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

func (l *secondLook) tell(f report.Finding) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = l.emit(f)
	}
	return l.err
}

// watch is told how far the scan is.
func (l *secondLook) watch(p scan.Progress) {
	l.mu.Lock()
	l.scan = p
	l.mu.Unlock()
}

// progress tells how far the looks are, once the scan itself is through.
func (l *secondLook) progress() {
	l.mu.Lock()
	l.done++
	p, done := l.scan, l.done
	l.mu.Unlock()
	if p.Done >= p.Total && p.Open >= done {
		l.bar.Update(done, p.Open, 0, fmt.Sprintf("a second look at %s open", thousands(p.Open)))
	}
}

// wait ends when all that was taken has been told.
func (l *secondLook) wait() error {
	l.looks.Wait()
	return l.err
}

// look adds to r what a second look shows. That nothing can be told does not
// change the state. Where every port is open, what this one does with a
// connection says no more.
func (l *secondLook) look(r *probe.Result) {
	o := probe.VerifyOptions{Timeout: l.timeout, RTT: time.Duration(r.RTT)}
	found, err := l.controls(r.Endpoint, o)
	if l.verify && err == nil && !found.Everywhere {
		err = l.insist(func() (err error) {
			found.Conduct, err = probe.AskConduct(l.ctx, r.Endpoint, o)
			return err
		})
	}
	if l.identify {
		r.Service, _ = service.Identify(l.ctx, r.Endpoint, service.Options{Host: r.Host, RTT: o.RTT, Library: l.library})
	}
	switch {
	case err == nil:
		found.Doubt(r)
	case l.ctx.Err() == nil:
		r.Notes = append(slices.Clone(r.Notes), "whether it is a service could not be looked at: "+err.Error())
	}
	if l.ctx.Err() != nil && (err != nil || l.identify && r.Service == nil) {
		l.mu.Lock()
		l.cut++
		l.mu.Unlock()
	}
}

// insist looks again, ever later, while this machine is short of something.
func (l *secondLook) insist(look func() error) error {
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
func (l *secondLook) controls(e probe.Endpoint, o probe.VerifyOptions) (probe.Openness, error) {
	l.mu.Lock()
	key := control{e.Addr, e.Proto}
	ask := l.hosts[key]
	if ask == nil {
		keeps := len(l.hosts) < secondKept
		ask = sync.OnceValues(func() (found probe.Openness, err error) {
			err = l.insist(func() error {
				found, err = probe.AskControls(l.ctx, e, o)
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
func (l *secondLook) count(a netip.Addr, found probe.Openness) {
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

// sends says what a scan that is told again sends.
func (w *sweep) sends() string {
	if w.identify || w.verify {
		return "only what is open is looked at once more"
	}
	return "nothing is sent"
}

// notes tells of networks in which every open host answers on every port, and of
// what was not looked at.
func (l *secondLook) notes() []string {
	var out []string
	if l.cut > 0 {
		out = append(out, fmt.Sprintf("not looked at a second time: %s of the open endpoints", thousands(uint64(l.cut))))
	}
	for p, n := range l.nets {
		if n.everywhere >= manyEverywhere && n.otherwise == 0 {
			out = append(out, fmt.Sprintf("%s: all %d open hosts that were looked at answer on every port: something before them answers in their place", p, n.everywhere))
		}
	}
	slices.Sort(out)
	return out
}
