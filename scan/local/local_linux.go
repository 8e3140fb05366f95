package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// manyPorts is from how many ports of one protocol on one dump of all sockets
// is cheaper than a filtered one for each.
const manyPorts = 16

// dumpTries is how often a dump that the kernel calls inconsistent is made anew.
const dumpTries = 3

// Check tells what holds the requested ports. Its error says that the whole
// question was void: no ports, or the context ended. A source that cannot be
// read is no error: it makes verdicts unknown and is named in the coverage.
func Check(ctx context.Context, r Request) (Report, error) {
	diag, err := openSockDiag()
	if err != nil {
		return look(ctx, r, sources{deny: err, net: procNet{"/proc/net"}, owners: findOwners})
	}
	defer diag.close()
	return look(ctx, r, sources{diag: diag, net: procNet{"/proc/net"}, owners: findOwners})
}

// source tells sockets; sockDiag and procNet do.
type source interface {
	each(proto probe.Proto, family uint8, port uint16, f func(socket)) error
}

// sources is where a look gets its facts.
type sources struct {
	diag   source // nil if it could not be opened
	deny   error  // why not
	net    source
	owners func(context.Context, []uint64) (ownership, error)
}

// gaze is one look in progress.
type gaze struct {
	Request
	sources
	seen     map[probe.Port]*sighted
	coverage []string
	fallback bool  // something was read from /proc/net
	bound    bool  // a source that tells bound sockets was heard
	why      error // why sock_diag was of no use
	noIPv6   bool
}

func look(ctx context.Context, r Request, from sources) (Report, error) {
	if len(r.Ports) == 0 {
		return Report{}, errors.New("no port to look at")
	}
	g := &gaze{Request: r, sources: from, seen: make(map[probe.Port]*sighted)}
	for _, p := range r.Ports {
		g.seen[p] = &sighted{}
	}
	for _, proto := range probe.Protos() {
		if err := ctx.Err(); err != nil {
			return Report{}, err
		}
		g.look(proto)
	}
	return g.report(ctx)
}

// look finds the sockets of one protocol at the requested ports.
func (g *gaze) look(proto probe.Proto) {
	var ports []uint16
	for _, p := range g.Ports {
		if p.Proto == proto {
			ports = append(ports, p.Number)
		}
	}
	if len(ports) > manyPorts {
		ports = []uint16{0}
	}
	for _, port := range ports {
		for _, family := range g.families() {
			if err := g.ask(proto, family, port); err != nil {
				for p, s := range g.seen {
					if p.Proto == proto && (port == 0 || p.Number == port) {
						s.failed = errors.Join(s.failed, err)
					}
				}
			}
		}
	}
}

// families are those to look at: a dual-stack socket is an IPv6 one that takes
// IPv4 too.
func (g *gaze) families() []uint8 {
	if g.IPv4 {
		return []uint8{unix.AF_INET, unix.AF_INET6}
	}
	return []uint8{unix.AF_INET6}
}

// ask tries sock_diag, and /proc/net where that fails.
func (g *gaze) ask(proto probe.Proto, family uint8, port uint16) error {
	if g.diag != nil {
		err := g.dump(proto, family, port)
		if err == nil {
			return nil
		}
		g.why = err
	} else {
		g.why = g.deny
	}
	var found []socket
	err := g.net.each(proto, family, port, func(s socket) { found = append(found, s) })
	if family == unix.AF_INET6 && errors.Is(err, fs.ErrNotExist) {
		g.noIPv6 = true // without IPv6 the kernel has no such file
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w; /proc/net: %w", g.why, err)
	}
	g.fallback = true
	g.take(found)
	return nil
}

// dump asks sock_diag until the kernel tells a whole list. What changes faster
// than it can be listed is told as it was last seen, and so is that.
func (g *gaze) dump(proto probe.Proto, family uint8, port uint16) error {
	var found []socket
	var err error
	for range dumpTries {
		found = found[:0]
		err = g.diag.each(proto, family, port, func(s socket) {
			if g.seen[s.at()] != nil {
				found = append(found, s)
			}
		})
		if !errors.Is(err, errInterruptedDump) {
			break
		}
	}
	if err != nil && !errors.Is(err, errInterruptedDump) {
		return err
	}
	if err != nil {
		g.coverage = append(g.coverage, fmt.Sprintf("%s sockets changed while they were listed, %d times in a row: one may be missing", proto, dumpTries))
	}
	g.bound = true
	g.take(found)
	return nil
}

func (g *gaze) take(found []socket) {
	for _, s := range found {
		if at := g.seen[s.at()]; at != nil && s.serves(g.IPv4, g.IPv6) {
			at.sockets = append(at.sockets, s)
		}
	}
}

// report judges every port and says what was looked at.
func (g *gaze) report(ctx context.Context) (Report, error) {
	inodes := g.inodes()
	r := Report{Coverage: append(g.kernelCoverage(), g.coverage...)}
	owners := make(map[uint64][]Owner)
	switch {
	case !g.Owners:
		r.Coverage = append(r.Coverage, "owners: not looked for")
	case len(inodes) > 0:
		found, err := g.owners(ctx, inodes)
		if ctx.Err() != nil {
			return Report{}, ctx.Err()
		}
		owners = found.byInode
		r.Coverage = append(r.Coverage, fmt.Sprintf("owners of %d of %s", len(owners), count(len(inodes), "socket")))
		switch {
		case err != nil:
			r.Coverage = append(r.Coverage, "processes: cannot be read: "+err.Error())
		case len(owners) < len(inodes) && found.unreadable > 0:
			r.Hints = append(r.Hints, fmt.Sprintf("run as root to see every owner: %s could not be read", count(found.unreadable, "process")))
		}
	}
	r.Coverage = append(r.Coverage, "other network namespaces: not looked at", "NAT redirects: not looked at")
	for _, p := range g.Ports {
		v, told := judge(p, *g.seen[p], owners)
		r.Verdicts = append(r.Verdicts, v)
		r.Listeners = append(r.Listeners, told...)
		if v.Verdict != Unknown && g.seen[p].failed != nil {
			r.Coverage = append(r.Coverage, fmt.Sprintf("%s: not everything could be read: %v", p, g.seen[p].failed))
		}
	}
	return r, nil
}

// inodes are those of the sockets whose owners will be told.
func (g *gaze) inodes() []uint64 {
	var inodes []uint64
	for _, s := range g.seen {
		for _, k := range s.telling() {
			if k.inode != 0 {
				inodes = append(inodes, k.inode)
			}
		}
	}
	slices.Sort(inodes)
	return slices.Compact(inodes)
}

func (g *gaze) kernelCoverage() []string {
	from := "from the kernel (sock_diag)"
	if g.fallback {
		from = "from /proc/net"
	}
	families := "IPv4 and IPv6"
	switch {
	case !g.IPv6:
		families = "IPv4"
	case !g.IPv4:
		families = "IPv6"
	}
	said := []string{fmt.Sprintf("sockets over %s, %s", families, from)}
	switch {
	case !g.IPv6:
		said = append(said, "IPv6: not looked at (-4)")
	case !g.IPv4:
		said = append(said, "IPv4: not looked at (-6)")
	case g.noIPv6:
		said = append(said, "IPv6: this kernel has none")
	}
	switch {
	case g.fallback:
		said = append(said, fmt.Sprintf("sock_diag was of no use (%v): sockets that are bound without listening, and whether an IPv6 socket takes IPv4, are not told", g.why))
	case g.bound && !tellsBound():
		said = append(said, "TCP sockets that are bound without listening: this kernel does not tell (Linux 6.8 does)")
	}
	return said
}

// tellsBound reports whether this kernel tells sockets that are only bound. It
// is asked of a socket of our own, because distributions carry the change to
// older releases.
func tellsBound() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}) != nil {
		return false
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return false
	}
	diag, err := openSockDiag()
	if err != nil {
		return false
	}
	defer diag.close()
	seen := false
	err = diag.each(probe.TCP, unix.AF_INET, uint16(name.(*unix.SockaddrInet4).Port), func(s socket) { seen = seen || s.state == Bound })
	return err == nil && seen
}
