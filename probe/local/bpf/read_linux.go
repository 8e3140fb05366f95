package bpf

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/netlink"
)

// Bounds of what is looked at.
const (
	maxListed  = 4096    // programs, links and cgroups
	maxTried   = 1 << 17 // ports for which sk_lookup is evaluated
	maxAddrs   = 16      // own addresses for which it is
	anyForeign = "192.0.2.1"
)

// errTooMany means that there are more than are looked at.
var errTooMany = errors.New("there are too many")

// Read finds the programs. The error is the context's.
func Read(ctx context.Context, q Query) (Result, error) {
	r := Result{Status: Complete, Undecided: make(map[probe.Port][]Program)}
	err := r.lookups(ctx, q)
	if err == nil {
		err = errors.Join(r.others(ctx), r.netfilter(ctx))
	}
	err2 := r.devices(ctx)
	if ctx.Err() != nil {
		return Result{}, ctx.Err()
	}
	switch err = errors.Join(err, err2); {
	case err == nil:
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		r.Status = NotPermitted
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL):
		r.Status = Unsupported
	default:
		r.Status, r.Err = Failed, err
	}
	return r, nil
}

// lookups evaluates the sk_lookup programs of this network namespace.
func (r *Result) lookups(ctx context.Context, q Query) error {
	ns, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	ids, err := query(ns, attachSKLookup)
	if errors.Is(err, unix.EINVAL) {
		return nil // before Linux 5.9
	}
	if err != nil {
		return err
	}
	for _, id := range ids {
		fd, _, name, err := program(id)
		if errors.Is(err, unix.ENOENT) {
			continue // it is gone
		}
		if err != nil {
			return err
		}
		p := Program{ID: id, Name: name, Kind: SKLookup}
		r.Attached = append(r.Attached, p)
		r.evaluate(ctx, q, fd, p)
		unix.Close(fd)
	}
	return nil
}

// evaluate evaluates one program for the ports of a query.
func (r *Result) evaluate(ctx context.Context, q Query, fd int, p Program) {
	addrs := q.Own()
	for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()} {
		if !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return a.Is4() && !q.IPv4 || a.Is6() && !q.IPv6 })
	r.Tried = addrs[:min(len(addrs), maxAddrs)]
	tried := 0
	for _, proto := range probe.Protos() {
		for _, number := range q.Ports[proto] {
			port := probe.Port{Number: number, Proto: proto}
			if tried++; tried > maxTried || ctx.Err() != nil || !r.try(fd, p, port) {
				r.Undecided[port] = append(r.Undecided[port], p)
			}
		}
	}
}

// try evaluates a program for a port of some addresses; false if it chose nothing,
// which it may do only for what was tried.
func (r *Result) try(fd int, p Program, port probe.Port) bool {
	chosen := false
	for _, a := range r.Tried {
		for _, outside := range []bool{false, true} {
			if outside && a.IsLoopback() {
				continue
			}
			cookie, pass, err := run(fd, lookupOf(port, a, outside))
			switch {
			case errors.Is(err, unix.EOPNOTSUPP):
			case err != nil || !pass || cookie == 0:
				continue
			}
			chosen = true
			r.Steered = append(r.Steered, Steered{Port: port, Addr: a, Program: p, Cookie: cookie, Outside: outside})
		}
	}
	return chosen
}

// lookupOf is struct bpf_sk_lookup for the first packet of a connection.
func lookupOf(port probe.Port, to netip.Addr, outside bool) (b [lookupSize]byte) {
	const (
		family, protocol, remote4, remote6 = 8, 12, 16, 20
		remotePort, local4, local6, local  = 36, 40, 44, 60
		ephemeral                          = 40000
	)
	from := to.WithZone("")
	switch {
	case outside && to.Is4():
		from = netip.MustParseAddr(anyForeign)
	case outside:
		from = netip.MustParseAddr("2001:db8::1")
	}
	put := binary.NativeEndian.PutUint32
	put(b[protocol:], unix.IPPROTO_TCP)
	if port.Proto == probe.UDP {
		put(b[protocol:], unix.IPPROTO_UDP)
	}
	if to.Is4() {
		put(b[family:], unix.AF_INET)
		copy(b[remote4:], from.AsSlice())
		copy(b[local4:], to.AsSlice())
	} else {
		put(b[family:], unix.AF_INET6)
		copy(b[remote6:], from.AsSlice())
		copy(b[local6:], to.AsSlice())
	}
	binary.BigEndian.PutUint16(b[remotePort:], ephemeral)
	put(b[local:], uint32(port.Number))
	return b
}

// others finds the programs of cgroups that change where processes connect or send
// to, or drop packets. The cgroups are looked at only if there is such a program.
func (r *Result) others(ctx context.Context) error {
	hooks, filters := false, false
	for id, n := uint32(0), 0; ; n++ {
		var err error
		if id, err = next(cmdProgNextID, id); errors.Is(err, unix.ENOENT) {
			break
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
		if n == maxListed {
			return errTooMany
		}
		fd, kind, _, err := program(id)
		if err != nil {
			continue // it is gone
		}
		unix.Close(fd)
		hooks, filters = hooks || kind == typeSockAddr, filters || kind == typeCgroupSKB
	}
	if filters {
		r.Filters = make(map[uint64][]Program)
	}
	if !hooks && !filters {
		return nil
	}
	return r.cgroups(ctx)
}

// cgroups finds the programs of every cgroup of the unified hierarchy, as far as it
// can be seen from here.
func (r *Result) cgroups(ctx context.Context) error {
	root := hierarchy()
	if root == "" {
		return errors.New("there are programs for cgroups, and the cgroups cannot be seen here")
	}
	n, filters := 0, make(map[string][]Program)
	return filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && path == root:
			return err
		case err != nil || !d.IsDir():
			return nil
		}
		if n++; n > maxListed {
			return errTooMany
		}
		filters[path], err = r.cgroup(path, "/"+strings.TrimPrefix(strings.TrimPrefix(path, root), "/"),
			filters[filepath.Dir(path)])
		return err
	})
}

// cgroup finds the programs of a cgroup, and returns those that may drop packets. above are
// those of its parent.
func (r *Result) cgroup(path, name string, above []Program) ([]Program, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil // it is gone
	}
	defer unix.Close(fd)
	for kind, attach := range map[Kind]uint32{
		Connect4: attachConnect4, Connect6: attachConnect6, Sendmsg4: attachSendmsg4, Sendmsg6: attachSendmsg6,
	} {
		ids, err := query(fd, attach)
		if err != nil {
			if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
				continue // not of this kernel, or gone
			}
			return nil, err
		}
		r.attach(ids, kind, name)
	}
	if r.Filters == nil {
		return nil, nil
	}
	return r.filtersOf(fd, name, above)
}

// filtersOf finds the programs that may drop packets of the sockets of a cgroup.
func (r *Result) filtersOf(fd int, name string, above []Program) ([]Program, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	var all []Program
	for _, hook := range []struct {
		kind   Kind
		attach uint32
	}{{Ingress, attachIngress}, {Egress, attachEgress}} {
		own, err1 := query(fd, hook.attach)
		ids, err2 := effective(fd, hook.attach)
		switch err := errors.Join(err1, err2); {
		case errors.Is(err, unix.ENOENT): // it is gone
			return nil, nil
		case err != nil:
			return nil, err
		}
		for _, id := range ids {
			inherited := slices.IndexFunc(above, func(p Program) bool { return p.ID == id && p.Kind == hook.kind })
			if inherited >= 0 && !slices.Contains(own, id) {
				all = append(all, above[inherited])
			} else {
				all = append(all, programOf(id, hook.kind, name))
			}
		}
	}
	r.Filters[st.Ino] = all
	return all, nil
}

// attach notes programs that are attached somewhere.
func (r *Result) attach(ids []uint32, kind Kind, where string) {
	for _, id := range ids {
		r.Attached = append(r.Attached, programOf(id, kind, where))
	}
}

// programOf describes a program that is attached somewhere.
func programOf(id uint32, kind Kind, where string) Program {
	p := Program{ID: id, Kind: kind, Where: where}
	if fd, _, name, err := program(id); err == nil {
		p.Name = name
		unix.Close(fd)
	}
	return p
}

// hierarchy is where the unified hierarchy of cgroups is mounted; "" if it is not.
func hierarchy() string {
	b, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1]
		}
	}
	return ""
}

// netfilter finds programs at netfilter's hooks. Which network namespace each belongs
// to is not listed.
func (r *Result) netfilter(ctx context.Context) error {
	const link = 10 // BPF_LINK_TYPE_NETFILTER
	for id, n := uint32(0), 0; ; n++ {
		var err error
		if id, err = next(cmdLinkNextID, id); errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) {
			return nil
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
		if n == maxListed {
			return errTooMany
		}
		fd, err := open(cmdLinkFDByID, id)
		if err != nil {
			continue // it is gone
		}
		if b, err := info(fd); err == nil && binary.NativeEndian.Uint32(b) == link {
			r.attach([]uint32{binary.NativeEndian.Uint32(b[8:])}, Netfilter, "")
		}
		unix.Close(fd)
	}
}

// device is a network device: its name, and whether it is a loopback device, by which all
// connections of this machine to itself go.
type device struct {
	name     string
	loopback bool
}

// devices finds programs of XDP and filters of TC at the ingress of the devices of
// this network namespace. Everybody may list all but those of tcx.
func (r *Result) devices(ctx context.Context) error {
	c := netlink.Client{Family: unix.NETLINK_ROUTE}
	devices := make(map[int]device)
	var found []Program
	reset := func() { clear(devices); found = nil }
	err := c.Dump(ctx, netlink.NewRequest(unix.RTM_GETLINK, make([]byte, unix.SizeofIfInfomsg)), reset,
		func(kind uint16, b []byte) error {
			if kind != unix.RTM_NEWLINK || len(b) < unix.SizeofIfInfomsg {
				return nil
			}
			index, attrs := int(binary.NativeEndian.Uint32(b[4:])), b[unix.SizeofIfInfomsg:]
			d := device{netlink.Text(netlink.Attribute(attrs, unix.IFLA_IFNAME)),
				binary.NativeEndian.Uint32(b[8:])&unix.IFF_LOOPBACK != 0}
			devices[index] = d
			const attached, progID = 2, 4 // IFLA_XDP_ATTACHED, IFLA_XDP_PROG_ID
			xdp := netlink.Attribute(attrs, unix.IFLA_XDP)
			if mode := netlink.Attribute(xdp, attached); len(mode) > 0 && mode[0] != 0 {
				p := Program{Kind: XDP, Where: d.name, Inside: d.loopback}
				if id := netlink.Attribute(xdp, progID); len(id) == 4 {
					p.ID = binary.NativeEndian.Uint32(id)
				}
				found = append(found, p)
			}
			return nil
		})
	if err != nil {
		return err
	}
	for i, p := range found {
		if fd, _, name, err := program(p.ID); err == nil {
			found[i].Name = name
			unix.Close(fd)
		}
	}
	r.Attached = append(r.Attached, found...)
	for index, d := range devices {
		hooks := []uint32{attachTCXIngress}
		if d.loopback {
			hooks = append(hooks, attachTCXEgress)
		}
		for _, hook := range hooks {
			ids, _ := query(index, hook) // of a kernel that has no such hook, none
			for _, id := range ids {
				p := programOf(id, TC, d.name)
				p.Inside = d.loopback
				r.Attached = append(r.Attached, p)
			}
		}
	}
	if err := r.classifiers(ctx, devices); err != nil {
		return err
	}
	slices.SortFunc(r.Attached, func(a, b Program) int {
		return strings.Compare(string(a.Kind)+a.Where+strconv.Itoa(int(a.ID)), string(b.Kind)+b.Where+strconv.Itoa(int(b.ID)))
	})
	return nil
}

// classifiers notes which devices have filters at their ingress.
func (r *Result) classifiers(ctx context.Context, devices map[int]device) error {
	const size = 20 // of struct tcmsg
	var filtered []int
	c := netlink.Client{Family: unix.NETLINK_ROUTE}
	err := c.Dump(ctx, netlink.NewRequest(unix.RTM_GETQDISC, make([]byte, size)), func() { filtered = nil },
		func(kind uint16, b []byte) error {
			if kind == unix.RTM_NEWQDISC && len(b) >= size {
				if q := netlink.Text(netlink.Attribute(b[size:], unix.TCA_KIND)); q == "clsact" || q == "ingress" {
					filtered = append(filtered, int(binary.NativeEndian.Uint32(b[4:])))
				}
			}
			return nil
		})
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil // a kernel without queueing disciplines
	}
	for _, index := range filtered {
		err = errors.Join(err, r.filters(ctx, index, devices[index]))
	}
	return err
}

// filters notes that a device has filters at its ingress, of whatever kind: they can
// rewrite packets and send them on.
func (r *Result) filters(ctx context.Context, index int, d device) error {
	parents := []uint32{0xfffffff2, 0xffff0000} // the ingress of qdiscs clsact and ingress
	if d.loopback {
		parents = append(parents, 0xfffffff3) // the egress of clsact
	}
	header := make([]byte, 20) // struct tcmsg
	binary.NativeEndian.PutUint32(header[4:], uint32(index))
	found := false
	c := netlink.Client{Family: unix.NETLINK_ROUTE}
	for _, parent := range parents {
		binary.NativeEndian.PutUint32(header[12:], parent)
		err := c.Dump(ctx, netlink.NewRequest(unix.RTM_GETTFILTER, slices.Clone(header)), nil,
			func(kind uint16, _ []byte) error {
				found = found || kind == unix.RTM_NEWTFILTER
				return nil
			})
		if err != nil && ctx.Err() != nil {
			return err
		}
	}
	if found {
		r.Attached = append(r.Attached, Program{Kind: TC, Where: d.name, Inside: d.loopback})
	}
	return nil
}
