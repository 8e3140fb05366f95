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
	want := func(s Socket) bool { return !d.marker.matches(s) && set.contains(s.Local.Port()) && s.inFamilies(q) }
	all := make(Table)
	var interrupted error
	for _, port := range ports {
		c, err := d.listAll(ctx, proto, q.families(), port, want)
		all.merge(c)
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
	ctx context.Context, proto probe.Proto, families []uint8, port uint16, want func(Socket) bool,
) (Table, error) {
	if proto == probe.TCP && len(families) == 2 && !d.OneFamily {
		c, err := d.list(ctx, proto, unix.AF_UNSPEC, port, want)
		if err == nil || errors.Is(err, errInterrupted) || errors.Is(err, netlink.ErrTimeout) || ctx.Err() != nil {
			return c, err
		}
		d.OneFamily = true
	}
	all := make(Table)
	var interrupted error
	for _, family := range families {
		c, err := d.list(ctx, proto, family, port, want)
		all.merge(c)
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

// list lists the sockets of a protocol and family that are wanted.
func (d *Diag) list(
	ctx context.Context, proto probe.Proto, family uint8, port uint16, want func(Socket) bool,
) (Table, error) {
	var c Table
	err := d.dump(ctx, proto, family, port, cmp.Or(d.States, AllStates), func() { c = make(Table) }, func(s Socket) {
		if want(s) {
			c.Add(s)
		}
	})
	return c, err
}

// dump calls see with every socket of a protocol and family (of TCP both, if that
// is AF_UNSPEC), at a port unless it is 0, as the kernel sends them: memory does
// not grow with their number. The kernel filters by port all but the sockets
// that are only bound. A dump that was interrupted is repeated after a reset.
func (d *Diag) dump(
	ctx context.Context, proto probe.Proto, family uint8, port uint16, states uint32, reset func(), see func(Socket),
) error {
	request := diagRequestBoth(port, states)
	if family != unix.AF_UNSPEC {
		request = diagRequest(proto, family, port, 0, states)
	}
	return d.ask(ctx, request, proto, reset, see)
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
