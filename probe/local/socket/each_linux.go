package socket

import (
	"cmp"
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// Cookie is the kernel's own name for the socket; 0 if it is not known.
func (s Socket) Cookie() uint64 { return s.cookie }

// EachHeld calls see with the sockets of a protocol that hold a port, in this network
// namespace. With an error, some may be missing.
func EachHeld(ctx context.Context, proto probe.Proto, see func(Socket)) error {
	diag := NewDiag()
	var errs []error
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		request := dumpRequest{proto: proto, family: family, states: HeldStates}.message()
		errs = append(errs, diag.ask(ctx, request, proto, nil, see))
	}
	return errors.Join(errs...)
}

// EachTCP calls see with the TCP sockets in some states, of those whose peer has a
// port unless it is 0, as the kernel or else /proc/net lists them. It may call it
// with others too.
func EachTCP(ctx context.Context, peer uint16, states uint32, see func(Socket)) error {
	diag, files := NewDiag(), ProcNet{"/proc/thread-self/net"}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		request := dumpRequest{proto: probe.TCP, family: family, peer: peer, states: states}.message()
		err := diag.ask(ctx, request, probe.TCP, nil, see)
		if err == nil || errors.Is(err, errInterrupted) || ctx.Err() != nil {
			continue
		}
		if err2 := files.each(ctx, probe.TCP, family, see); err2 != nil && !(family == unix.AF_INET6 && files.LacksIPv6()) {
			return inOneLine([]error{err, err2})
		}
	}
	return ctx.Err()
}

// Lister lists the sockets that listen, again and again. It is for one goroutine.
type Lister struct {
	query Query
	set   map[probe.Proto]*portSet
	diag  *Diag
	files ProcNet
}

// NewLister is one for the ports of a query, in the network namespace of the thread that
// calls Each.
func NewLister(q Query) *Lister {
	l := &Lister{query: q, set: make(map[probe.Proto]*portSet), diag: NewDiag(), files: ProcNet{"/proc/thread-self/net"}}
	for proto, ports := range q.Ports {
		l.set[proto] = newPortSet(ports)
	}
	return l
}

// Each calls see with each socket that listens, perhaps more than once. It returns whether
// those are all: the kernel's list may change while it is read.
func (l *Lister) Each(ctx context.Context, see func(Socket)) (whole bool, err error) {
	whole = true
	for _, proto := range l.query.Protos() {
		want := func(s Socket) {
			if s.State == Listening && l.set[proto].contains(s.Local.Port()) && s.inFamilies(l.query) {
				see(s)
			}
		}
		err := l.each(ctx, proto, want)
		if errors.Is(err, errInterrupted) {
			whole = false
		} else if err != nil {
			return false, err
		}
	}
	return whole, ctx.Err()
}

func (l *Lister) each(ctx context.Context, proto probe.Proto, want func(Socket)) error {
	var refused error
	if l.diag != nil {
		ports := l.query.Ports[proto]
		if len(ports) > ManyPorts {
			ports = []uint16{0}
		}
		ask := dumpRequest{proto: proto, states: ListenStates}
		if proto == probe.UDP {
			ask.states = 1 << tcpClose
		}
		var interrupted error
		for _, port := range ports {
			ask.port = port
			_, refused = l.diag.listAll(ctx, ask, l.query.families(), func(_ Table, s Socket) { want(s) })
			if errors.Is(refused, errInterrupted) {
				interrupted, refused = refused, nil
			}
			if refused != nil {
				break
			}
		}
		if refused == nil || ctx.Err() != nil {
			return cmp.Or(interrupted, ctx.Err())
		}
		l.diag = nil // it is refused for good
	}
	for _, family := range l.query.families() {
		err := l.files.each(ctx, proto, family, want)
		if err != nil && !(family == unix.AF_INET6 && l.files.LacksIPv6()) {
			return inOneLine([]error{refused, err})
		}
	}
	return nil
}

// NameDevices gives the devices of sockets their names, and link-local addresses their zones.
func NameDevices(sockets []Socket) {
	seen := make(map[uint32]Device)
	for i := range sockets {
		if index := sockets[i].Device.index; index != 0 {
			sockets[i].setDevice(deviceByIndex(index, seen))
		}
	}
}
