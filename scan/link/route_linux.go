package link

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/netlink"
)

// Routes asks the kernel for the routes to all addresses of the runs: once for each
// part between two places where its answer may change. Those are the edges of every
// route in every table and of every rule; between them all lookups have the same
// result. Of several next hops that share a route it uses the one that the kernel
// returns for the first address, or with Spread for each of the first maxSpread. Nothing is sent.
//
// No route is a Route with an Err. An error means that the kernel could not be
// asked.
func Routes(ctx context.Context, c RouteConfig) (*Table, error) {
	b := builder{
		runs:   c.Runs,
		groups: groupRuns(c.Runs),
		ports:  c.Ports,
		known:  make(map[routeKey]*Route),
		t:      &Table{},
		spread: c.Spread,
		source: c.Source,
	}
	var err error
	if b.devices, err = listDevices(ctx); err != nil {
		return nil, err
	}
	if c.Device != "" {
		if b.only, err = b.devices.named(c.Device); err != nil {
			return nil, err
		}
	}
	for _, g := range b.groups {
		if err == nil {
			err = b.readEdges(ctx, g.v4)
		}
	}
	for _, g := range b.groups {
		if err == nil {
			err = b.add(ctx, g)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the kernel's routes cannot be read: %w", err)
	}
	return b.t, nil
}

// maxHulls bounds the spans that the edges of routes are compared with.
const maxHulls = 1 << 12

// group has the runs of one family and zone. Where they are more than maxHulls, a hull is
// around several: an edge between two runs of one hull is then kept, which changes nothing
// but the number of parts that are looked at.
type group struct {
	v4    bool
	zone  string
	hulls []Span
}

// groupRuns puts runs of one family and zone together.
func groupRuns(runs iter.Seq2[netip.Addr, netip.Addr]) (out []*group) {
	for first, last := range runs {
		v4, zone := first.Is4(), first.Zone()
		i := slices.IndexFunc(out, func(g *group) bool { return g.v4 == v4 && g.zone == zone })
		if i < 0 {
			i = len(out)
			out = append(out, &group{v4: v4, zone: zone})
		}
		out[i].add(Span{first, last})
	}
	return out
}

func (g *group) add(s Span) {
	if g.hulls = append(g.hulls, s); len(g.hulls) < 2*maxHulls {
		return
	}
	for i := range maxHulls {
		g.hulls[i] = Span{g.hulls[2*i].First, g.hulls[2*i+1].Last}
	}
	g.hulls = g.hulls[:maxHulls]
}

// builder makes a Table.
type builder struct {
	runs    iter.Seq2[netip.Addr, netip.Addr]
	groups  []*group
	ports   []probe.Port
	devices devices
	only    *Device
	source  netip.Addr
	known   map[routeKey]*Route
	t       *Table
	spread  bool

	cuts   [2]*cuts // by family: IPv4, IPv6
	bySrc  [2]bool  // rules look at the source
	byPort [2]bool
}

// cuts are the edges of a family's routes and rules.
type cuts struct {
	at      []netip.Addr
	spreads int // of those, addresses that may each have another next hop
}

// maxSpread bounds the addresses whose next hop is looked up one by one.
const maxSpread = 1 << 16

func family(v4 bool) (index int, number uint8) {
	if v4 {
		return 0, unix.AF_INET
	}
	return 1, unix.AF_INET6
}

// add finds the routes to the runs of one family and zone.
func (b *builder) add(ctx context.Context, g *group) error {
	v4, zone := g.v4, g.zone
	i, _ := family(v4)
	only, err := b.only, error(nil)
	if zone != "" {
		if only, err = b.devices.named(zone); err != nil || b.only != nil && b.only != only {
			if err == nil {
				err = fmt.Errorf("addresses of the zone %s cannot be probed through %s: %w", zone, b.only.Name, unix.ENETUNREACH)
			}
			return b.refuse(line{v4: v4, zone: zone}, err)
		}
	}
	for port := range b.ports {
		if port > 0 && !b.t.perPort {
			break
		}
		l := line{v4: v4, zone: zone, port: port}
		l.cut(g.hulls, slices.Clone(b.cuts[i].at))
		if err := b.resolve(ctx, &l, only); err != nil {
			return err
		}
		l.join()
		b.t.lines = append(b.t.lines, l)
	}
	return nil
}

// refuse makes all of a line unreachable.
func (b *builder) refuse(l line, err error) error {
	l.starts, l.routes = []netip.Addr{netip.IPv6Unspecified()}, []*Route{b.intern(Route{Err: err})}
	for l.port = range b.ports {
		b.t.lines = append(b.t.lines, l)
	}
	return nil
}

// resolve asks for every part of a line that has an address of the runs.
func (b *builder) resolve(ctx context.Context, l *line, only *Device) error {
	for first, last := range b.runs {
		if first.Is4() != l.v4 || first.Zone() != l.zone {
			continue
		}
		first, last = first.WithZone(""), last.WithZone("")
		for k := l.at(first); k < len(l.starts) && l.starts[k].Compare(last) <= 0; k++ {
			if l.routes[k] != nil {
				continue
			}
			a := l.starts[k]
			if a.Less(first) {
				a = first
			}
			r, err := b.ask(ctx, a, b.ports[l.port], only)
			if err != nil {
				return err
			}
			l.routes[k] = b.intern(r)
		}
	}
	return nil
}

// readEdges collects the addresses where the kernel's decisions may change.
func (b *builder) readEdges(ctx context.Context, v4 bool) error {
	i, fam := family(v4)
	if b.cuts[i] != nil {
		return nil
	}
	c := &cuts{}
	b.cuts[i] = c
	rules, err := netlink.Rules(ctx, fam)
	if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
		return err
	}
	for _, r := range rules {
		b.bySrc[i] = b.bySrc[i] || r.Src.IsValid()
		b.byPort[i] = b.byPort[i] || r.ByPort
		b.t.perPort = b.t.perPort || b.byPort[i]
		if r.Dst.IsValid() {
			c.at = ends(c.at, r.Dst)
		}
	}
	if !v4 {
		var own []netip.Addr
		for _, p := range selection {
			c.at = ends(c.at, p)
		}
		for _, d := range b.devices {
			for _, a := range d.addrs {
				if a.Is6() && !a.IsLinkLocalUnicast() {
					own = append(own, a)
				}
			}
		}
		c.at = nearer(c.at, own)
	}
	return b.dump(ctx, fam, c)
}

// dump reads every table of a family. What changes meanwhile is read twice or
// not at all.
func (b *builder) dump(ctx context.Context, fam uint8, c *cuts) error {
	i, _ := family(fam == unix.AF_INET)
	var spans []Span
	for _, g := range b.groups {
		if g.v4 == (fam == unix.AF_INET) {
			for _, s := range g.hulls {
				spans = append(spans, Span{s.First.WithZone(""), s.Last.WithZone("")})
			}
		}
	}
	slices.SortFunc(spans, func(a, b Span) int { return a.First.Compare(b.First) })
	err := netlink.Routes(ctx, fam, func(r netlink.Route) {
		if r.Family != fam || r.Flags&unix.RTM_F_CLONED != 0 {
			return
		}
		b.bySrc[i] = b.bySrc[i] || r.BySource
		if r.Dst.IsValid() {
			c.addPrefix(spans, r.Dst)
		}
		if r.Multipath && b.spread {
			b.bySrc[i] = true // the kernel's hash is over both addresses
			c.spread(spans, r.Dst)
		}
	})
	if errors.Is(err, netlink.ErrInterrupted) {
		return nil
	}
	return err
}

// addPrefix keeps the edges that matter: there may be a million routes.
func (c *cuts) addPrefix(spans []Span, p netip.Prefix) {
	n := len(c.at)
	c.at = ends(c.at, p)
	kept := c.at[:n]
	for _, e := range c.at[n:] {
		// Routes come in order, and all those between two spans cut at one place.
		if e, ok := within(spans, e); ok && !slices.Contains(kept[max(len(kept)-2, 0):], e) {
			kept = append(kept, e)
		}
	}
	c.at = kept
}

// spread cuts at every address of the spans that has a prefix, which is not valid for a
// default route.
func (c *cuts) spread(spans []Span, p netip.Prefix) {
	for _, s := range spans {
		first := s.First
		if p.IsValid() && first.Less(p.Masked().Addr()) {
			first = p.Masked().Addr()
		}
		for a := first; a.IsValid() && a.Compare(s.Last) <= 0 && (!p.IsValid() || p.Contains(a)); a = a.Next() {
			if c.spreads++; c.spreads > maxSpread {
				return
			}
			c.at = append(c.at, a)
		}
	}
}

// routeKey identifies equal decisions.
type routeKey struct {
	device       int
	src, gateway netip.Addr
	frames       bool
	mtu          int
	err          string
}

func (b *builder) intern(r Route) *Route {
	k := routeKey{src: r.Src, gateway: r.Gateway, frames: r.Frames, mtu: r.MTU}
	if r.Device != nil {
		k.device = r.Device.Index
	}
	if r.Err != nil {
		k.err = r.Err.Error()
	}
	if b.known[k] == nil {
		r.ID = len(b.t.routes)
		b.known[k] = &r
		b.t.routes = append(b.t.routes, &r)
	}
	return b.known[k]
}

// ask is the kernel's decision for one address (RTM_GETROUTE). Where rules look
// at the source it is made twice, as for a socket: what comes out first names
// the source with which it is made again. A source that was asked for is the only one.
func (b *builder) ask(ctx context.Context, a netip.Addr, port probe.Port, only *Device) (Route, error) {
	if b.source.IsValid() {
		r, err := b.get(ctx, a, port, only, b.source)
		r.Src = b.source
		return r, err
	}
	r, err := b.get(ctx, a, port, only, netip.Addr{})
	i, _ := family(a.Is4())
	if err == nil && r.Err == nil && b.bySrc[i] {
		src := r.Src
		if r, err = b.get(ctx, a, port, only, src); r.Err == nil {
			r.Src = src
		}
	}
	return r, err
}

func (b *builder) get(ctx context.Context, a netip.Addr, port probe.Port, only *Device, src netip.Addr) (Route, error) {
	if only != nil && a.IsLoopback() && !only.Loopback {
		return Route{Err: unix.ENETUNREACH}, nil
	}
	q := netlink.RouteQuery{Dst: a, Src: src}
	if only != nil {
		q.Interface = uint32(only.Index)
	}
	if i, _ := family(a.Is4()); b.byPort[i] {
		q.Proto, q.Port = ipProto(port.Proto), port.Number
	}
	found, err := netlink.LookupRoute(ctx, q)
	if no := syscall.Errno(0); errors.As(err, &no) {
		switch no {
		case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EACCES, unix.EINVAL, unix.EPERM, unix.ENODEV, unix.ENONET:
			return Route{Err: no}, nil
		}
	}
	if err != nil {
		return Route{}, err
	}
	return b.route(found, only), nil
}

// route makes a Route of the kernel's. One that leaves through loopback and is not
// local arrives nowhere.
func (b *builder) route(found netlink.Route, only *Device) Route {
	r := Route{Device: b.devices[int(found.Interface)], Src: found.Source, Gateway: found.Gateway, MTU: found.MTU}
	switch found.Type {
	case unix.RTN_BROADCAST, unix.RTN_MULTICAST:
		return Route{Err: unix.EACCES}
	}
	if r.Device == nil || only != nil && only.Loopback && found.Type == unix.RTN_UNICAST {
		return Route{Err: unix.ENETUNREACH}
	}
	local := found.Type == unix.RTN_LOCAL || found.Type == unix.RTN_ANYCAST || r.Device.Loopback
	r.Frames = r.Device.Ethernet && !local && !found.Encap
	if r.MTU == 0 || r.MTU > r.Device.MTU {
		r.MTU = r.Device.MTU
	}
	return r
}

// ipProto is the protocol number of the IP header.
func ipProto(p probe.Proto) byte {
	if p == probe.UDP {
		return unix.IPPROTO_UDP
	}
	return unix.IPPROTO_TCP
}
