package socket

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/netlink"
)

// ManyPorts is the number of ports of a protocol above which one dump of all its
// sockets is cheaper than a filtered one for each.
const ManyPorts = 16

// errInterrupted means that a dump may lack sockets.
var errInterrupted = errors.New("the sockets changed while the kernel listed them: some may be missing")

// Diag reads sockets from the kernel through netlink (sock_diag(7)).
type Diag struct {
	Client    netlink.Client
	OneFamily bool   // this kernel does not list both families in one dump
	States    uint32 // that are wanted, as a mask; 0 for all

	marker marker
}

// NewDiag is a Diag that reads sockets in every state.
func NewDiag() *Diag {
	return &Diag{Client: netlink.Client{Family: unix.NETLINK_SOCK_DIAG}}
}

// From implements Reader.
func (*Diag) From() From { return FromKernel }

// Read returns the sockets at some ports; with an error, those seen before it.
func (d *Diag) Read(ctx context.Context, proto probe.Proto, q Query) (Table, error) {
	ports := q.Ports[proto]
	set := newPortSet(ports)
	if len(ports) > ManyPorts {
		ports = []uint16{0}
	}
	if proto == probe.TCP && d.States == 0 {
		defer d.marker.open()()
	}
	see := func(t Table, s Socket) {
		switch {
		case d.marker.matches(s) || !set.contains(s.Local.Port()) || !s.inFamilies(q):
		case q.Counts && s.State == Listening:
			t.count(s)
		default:
			t.Add(s)
		}
	}
	ask := dumpRequest{proto: proto, states: cmp.Or(d.States, AllStates), brief: q.Counts}
	if q.Held {
		ask.states &= HeldStates
	}
	all := make(Table)
	var interrupted error
	for _, port := range ports {
		ask.port = port
		c, err := d.listAll(ctx, ask, q.families(), see)
		all = all.merge(c)
		if err != nil && !errors.Is(err, errInterrupted) {
			return all, err
		}
		interrupted = cmp.Or(interrupted, err)
	}
	return all, interrupted
}

// listAll lists the sockets of several families: of both families of TCP at once
// where the kernel does that, because it walks through all its sockets for each
// dump.
func (d *Diag) listAll(
	ctx context.Context, ask dumpRequest, families []uint8, see func(Table, Socket),
) (Table, error) {
	if ask.proto == probe.TCP && len(families) == 2 && !d.OneFamily {
		ask.family = unix.AF_UNSPEC
		c, err := d.list(ctx, ask, see)
		if err == nil || errors.Is(err, errInterrupted) || errors.Is(err, netlink.ErrTimeout) || ctx.Err() != nil {
			return c, err
		}
		d.OneFamily = true
	}
	all := make(Table)
	var interrupted error
	for _, family := range families {
		ask.family = family
		c, err := d.list(ctx, ask, see)
		all = all.merge(c)
		if err != nil && !errors.Is(err, errInterrupted) {
			return all, err
		}
		interrupted = cmp.Or(interrupted, err)
	}
	return all, interrupted
}

// families are the kernel's families to look at: a dual-stack socket is an IPv6
// one that takes IPv4 too.
func (q Query) families() []uint8 {
	if q.IPv4 {
		return []uint8{unix.AF_INET, unix.AF_INET6}
	}
	return []uint8{unix.AF_INET6}
}

// list makes a table of what see adds to it of the sockets.
func (d *Diag) list(ctx context.Context, ask dumpRequest, see func(Table, Socket)) (Table, error) {
	var c Table
	err := d.dump(ctx, ask, func() { c = make(Table) }, func(s Socket) { see(c, s) })
	return c, err
}

// dump calls see with every socket that is asked for, as the kernel sends them: memory does
// not grow with their number. A dump that was interrupted is repeated after a reset.
func (d *Diag) dump(ctx context.Context, ask dumpRequest, reset func(), see func(Socket)) error {
	return d.ask(ctx, ask.message(), ask.proto, reset, see)
}

// ask sends a request and calls see with every socket of the answer.
func (d *Diag) ask(
	ctx context.Context, request *netlink.Request, proto probe.Proto, reset func(), see func(Socket),
) error {
	err := d.Client.Dump(ctx, request, reset, func(kind uint16, body []byte) error {
		if kind != unix.SOCK_DIAG_BY_FAMILY && kind != tcpDiagGetSock {
			return nil
		}
		s, err := parseSocket(body, proto)
		if err == nil {
			see(s)
		}
		return err
	})
	switch closed := new(netlink.OpenError); {
	case err == nil:
		return nil
	case errors.Is(err, netlink.ErrInterrupted):
		return errInterrupted
	case errors.As(err, &closed):
		return fmt.Errorf("open a sock_diag socket: %w", closed.Err)
	}
	return fmt.Errorf("sock_diag: %w", err)
}
