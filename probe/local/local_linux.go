package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"onmux/probe"
)

// reader is a place to read sockets from. What read tells together with an
// error is true, and perhaps not all.
type reader interface {
	name() string
	read(context.Context, probe.Proto, query) (census, error)
}

// look asks the kernel, and reads /proc/net where that is refused. The calling
// thread's own files are read, because it may be in another namespace than the
// rest of the process. The error is the context's.
func look(ctx context.Context, q query) (view, error) {
	v, err := lookAt(ctx, q, newSockDiag(), procNet{"/proc/thread-self/net"})
	if err == nil && !q.settles(v.census) {
		v.abroad, err = lookAbroad(ctx, q)
	}
	return v, err
}

// lookAt is look at a choice of readers, of which diag may be nil.
func lookAt(ctx context.Context, q query, diag *sockDiag, files procNet) (view, error) {
	v := view{census: make(census), where: "in this network namespace", netns: host}
	if q.v6 && files.lacksIPv6() {
		v.notes = append(v.notes, "IPv6: not available in this kernel")
	}
	readers := []reader{files}
	if diag != nil {
		readers = []reader{diag, files}
	}
	for _, proto := range q.protos() {
		c, s := readFirst(ctx, proto, q, readers)
		if err := ctx.Err(); err != nil {
			return view{}, err
		}
		switch s.name {
		case files.name():
			s.blind, s.lesser = proto == probe.TCP, true
			v.notes = append(v.notes, untoldByProcNet(proto))
		case diag.name():
			s.blind = proto == probe.TCP && !v.seesBound(ctx, c, diag)
		}
		v.sources = append(v.sources, s)
		v.census.add(c)
	}
	v.census.nameDevices()
	v.census.nameUsers()
	v.refused = files.refused(v.census)
	if q.settles(v.census) {
		v.notes = append(v.notes, "other network namespaces and NAT rules: not looked at, because something listens on every port")
		return v, ctx.Err()
	}
	var err error
	v.nat, err = readNAT(ctx, q)
	return v, err
}

// readFirst reads from the first reader that can be read whole. If there is
// none, it tells what the first of them saw that saw anything: every socket seen
// is a fact.
func readFirst(ctx context.Context, proto probe.Proto, q query, readers []reader) (census, source) {
	s := source{proto: proto, families: q.familyNames()}
	var refused []error
	var part census
	for _, r := range readers {
		c, err := r.read(ctx, proto, q)
		if err == nil || errors.Is(err, errChanged) {
			s.name, s.err, s.refused = r.name(), err, inOneLine(refused)
			return c, s
		}
		refused = append(refused, err)
		if len(part) == 0 && len(c) > 0 {
			part, s.name = c, r.name()
		}
	}
	s.err = inOneLine(refused)
	return part, s
}

func untoldByProcNet(proto probe.Proto) string {
	what := "whether [::] takes IPv4 and devices"
	if proto == probe.TCP {
		what = "sockets that are bound and do not listen, whether [::] takes IPv4, devices and accept queues"
	}
	return fmt.Sprintf("%s: not told by /proc/net: %s", upper(proto), what)
}

// seesBound reports whether a census from the kernel has the sockets that are
// bound and do not listen, and notes it where it may not.
func (v *view) seesBound(ctx context.Context, c census, diag *sockDiag) bool {
	for _, t := range c {
		if t.count[bound] > 0 {
			return true
		}
	}
	tells, err := diag.tellsBound(ctx)
	switch {
	case err != nil:
		v.notes = append(v.notes, fmt.Sprintf("TCP sockets that are bound and do not listen: not known if this kernel tells them (%v)", err))
	case !tells:
		v.notes = append(v.notes, "TCP sockets that are bound and do not listen: not told by this kernel")
		v.hints = append(v.hints, "Linux 6.8 and newer tell sockets that are bound and do not listen")
	}
	return tells && err == nil
}

// nameDevices gives devices their names, and link-local addresses their zones.
func (c census) nameDevices() {
	known := make(map[uint32]device)
	for _, t := range c {
		for _, told := range t.told {
			for i := range told {
				if told[i].index != 0 {
					d := deviceAt(told[i].index, known)
					told[i].setDevice(d.name)
					told[i].looped = d.looped
				}
			}
		}
	}
}

// device is what is known of a network device.
type device struct {
	name   string // or its number if it is gone
	looped bool   // a loopback one
}

func deviceAt(index uint32, known map[uint32]device) device {
	d, ok := known[index]
	if !ok {
		d.name = strconv.FormatUint(uint64(index), 10)
		if i, err := net.InterfaceByIndex(int(index)); err == nil {
			d = device{i.Name, i.Flags&net.FlagLoopback != 0}
		}
		known[index] = d
	}
	return d
}

// setDevice names the device that the socket is bound to. A link-local address
// carries it as its zone (RFC 4007), because it means nothing without.
func (s *socket) setDevice(name string) {
	if a := s.local.Addr(); a.Is6() && a.IsLinkLocalUnicast() {
		s.local = netip.AddrPortFrom(a.WithZone(name), s.local.Port())
		if p := s.peer.Addr(); p.Is6() && p.IsLinkLocalUnicast() {
			s.peer = netip.AddrPortFrom(p.WithZone(name), s.peer.Port())
		}
		return
	}
	s.device = name
}

// add puts the sockets of another census to these.
func (c census) add(other census) {
	for p, from := range other {
		t := c[p]
		if t == nil {
			c[p] = from
			continue
		}
		for s := range states {
			for _, socket := range from.told[s] {
				t.see(socket)
			}
			t.count[s] += from.count[s] - len(from.told[s])
		}
	}
}
