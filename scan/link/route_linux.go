package link

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Routes asks the kernel for the way to all addresses of the spans: once for
// each stretch between two places where its answer may change. Those are the
// edges of every route in every table and of every rule; between them all
// lookups come out the same. Of several next hops that share a route it takes
// the one that the kernel names for the first address. Nothing is sent.
//
// That there is no way is a Route too. An error says that the kernel could not
// be asked.
func Routes(c RouteConfig) (*Table, error) {
	b := builder{RouteConfig: c, known: make(map[routeKey]*Route), t: &Table{}}
	var err error
	if b.devices, err = listDevices(); err != nil {
		return nil, err
	}
	if c.Device != "" {
		if b.only, err = b.devices.named(c.Device); err != nil {
			return nil, err
		}
	}
	groups := groupSpans(c.Spans)
	for _, spans := range groups {
		if err == nil {
			err = b.readEdges(spans[0].First.Is4())
		}
	}
	for _, spans := range groups {
		if err == nil {
			err = b.add(spans)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the kernel's routes cannot be read: %w", err)
	}
	return b.t, nil
}

// groupSpans puts spans of one family and zone together.
func groupSpans(spans []Span) [][]Span {
	var out [][]Span
next:
	for _, s := range spans {
		for i, g := range out {
			if g[0].First.Is4() == s.First.Is4() && g[0].First.Zone() == s.First.Zone() {
				out[i] = append(g, s)
				continue next
			}
		}
		out = append(out, []Span{s})
	}
	return out
}

// builder makes a Table.
type builder struct {
	RouteConfig
	devices devices
	only    *Device
	known   map[routeKey]*Route
	t       *Table

	cuts   [2]*cuts // by family: IPv4, IPv6
	bySrc  [2]bool  // rules look at the source
	byPort [2]bool
}

// cuts are the edges of a family's routes and rules.
type cuts struct{ at []netip.Addr }

func family(v4 bool) (index, number int) {
	if v4 {
		return 0, unix.AF_INET
	}
	return 1, unix.AF_INET6
}

// add finds the ways to the spans of one family and zone.
func (b *builder) add(spans []Span) error {
	v4, zone := spans[0].First.Is4(), spans[0].First.Zone()
	i, _ := family(v4)
	only, err := b.only, error(nil)
	if zone != "" {
		if only, err = b.devices.named(zone); err != nil || b.only != nil && b.only != only {
			if err == nil {
				err = fmt.Errorf("addresses of the zone %s cannot be asked through %s: %w", zone, b.only.Name, unix.ENETUNREACH)
			}
			return b.refuse(line{v4: v4, zone: zone}, err)
		}
	}
	for ask := range b.Asks {
		if ask > 0 && !b.t.perAsk {
			break
		}
		l := line{v4: v4, zone: zone, ask: ask}
		l.cut(spans, slices.Clone(b.cuts[i].at))
		if err := b.resolve(&l, spans, only); err != nil {
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
	for l.ask = range b.Asks {
		b.t.lines = append(b.t.lines, l)
	}
	return nil
}

// resolve asks for every piece of a line that holds an address of the spans.
func (b *builder) resolve(l *line, spans []Span, only *Device) error {
	for _, s := range spans {
		first, last := s.First.WithZone(""), s.Last.WithZone("")
		for k := l.at(first); k < len(l.starts) && l.starts[k].Compare(last) <= 0; k++ {
			if l.routes[k] != nil {
				continue
			}
			a := l.starts[k]
			if a.Less(first) {
				a = first
			}
			r, err := b.ask(a, b.Asks[l.ask], only)
			if err != nil {
				return err
			}
			l.routes[k] = b.intern(r)
		}
	}
	return nil
}

// readEdges collects where the kernel's decisions may change.
func (b *builder) readEdges(v4 bool) error {
	i, fam := family(v4)
	if b.cuts[i] != nil {
		return nil
	}
	c := &cuts{}
	b.cuts[i] = c
	rules, err := netlink.RuleList(fam)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return err
	}
	for _, r := range rules {
		b.bySrc[i] = b.bySrc[i] || r.Src != nil
		b.byPort[i] = b.byPort[i] || r.IPProto != 0 || r.Dport != nil
		b.t.perAsk = b.t.perAsk || b.byPort[i]
		if r.Dst != nil {
			c.addNet(r.Dst)
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
	return b.dump(fam, c)
}

// dump reads every table of a family. What changes meanwhile is read twice or
// not at all, as by any tool.
func (b *builder) dump(fam int, c *cuts) error {
	req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, unix.NLM_F_DUMP)
	req.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(fam)}})
	i := 0
	if fam == unix.AF_INET6 {
		i = 1
	}
	var spans []Span
	for _, s := range b.Spans {
		if s.First.Is4() == (fam == unix.AF_INET) {
			spans = append(spans, Span{s.First.WithZone(""), s.Last.WithZone("")})
		}
	}
	slices.SortFunc(spans, func(a, b Span) int { return a.First.Compare(b.First) })
	err := req.ExecuteIter(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE, func(m []byte) bool {
		msg := nl.DeserializeRtMsg(m)
		attrs, err := nl.ParseRouteAttr(m[msg.Len():])
		if err != nil || int(msg.Family) != fam || msg.Flags&unix.RTM_F_CLONED != 0 {
			return true
		}
		b.bySrc[i] = b.bySrc[i] || msg.Src_len > 0
		for _, a := range attrs {
			if a.Attr.Type == unix.RTA_DST {
				c.addPrefix(spans, ipOf(a.Value), int(msg.Dst_len))
			}
		}
		return true
	})
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil
	}
	return err
}

func (c *cuts) addNet(n *net.IPNet) {
	bits, _ := n.Mask.Size()
	if a := ipOf(n.IP); a.IsValid() {
		c.at = ends(c.at, netip.PrefixFrom(a, bits))
	}
}

// addPrefix keeps the edges that matter: there may be a million routes.
func (c *cuts) addPrefix(spans []Span, a netip.Addr, bits int) {
	if !a.IsValid() || bits > a.BitLen() {
		return
	}
	n := len(c.at)
	c.at = ends(c.at, netip.PrefixFrom(a, bits))
	kept := c.at[:n]
	for _, e := range c.at[n:] {
		// Routes come in order, and all those between two spans cut at one place.
		if e, ok := within(spans, e); ok && !slices.Contains(kept[max(len(kept)-2, 0):], e) {
			kept = append(kept, e)
		}
	}
	c.at = kept
}

// routeKey is what makes two decisions one.
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
// the source with which it is made again.
func (b *builder) ask(a netip.Addr, ask Ask, only *Device) (Route, error) {
	r, err := b.get(a, ask, only, netip.Addr{})
	i, _ := family(a.Is4())
	if err == nil && r.Err == nil && b.bySrc[i] {
		src := r.Src
		if r, err = b.get(a, ask, only, src); r.Err == nil {
			r.Src = src
		}
	}
	return r, err
}

func (b *builder) get(a netip.Addr, ask Ask, only *Device, src netip.Addr) (Route, error) {
	if only != nil && a.IsLoopback() && !only.Loopback {
		return Route{Err: unix.ENETUNREACH}, nil
	}
	_, fam := family(a.Is4())
	msg := &nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(fam), Dst_len: uint8(a.BitLen()), Flags: unix.RTM_F_LOOKUP_TABLE}}
	req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, unix.NLM_F_REQUEST)
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.RTA_DST, a.AsSlice()))
	if src.IsValid() {
		msg.Src_len = uint8(src.BitLen())
		req.AddData(nl.NewRtAttr(unix.RTA_SRC, src.AsSlice()))
	}
	if only != nil {
		req.AddData(nl.NewRtAttr(unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(only.Index))))
	}
	if i, _ := family(a.Is4()); b.byPort[i] {
		req.AddData(nl.NewRtAttr(unix.RTA_IP_PROTO, []byte{ask.Proto}))
		req.AddData(nl.NewRtAttr(unix.RTA_DPORT, binary.BigEndian.AppendUint16(nil, ask.Port)))
	}
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	if no := syscall.Errno(0); errors.As(err, &no) {
		switch no {
		case unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EACCES, unix.EINVAL, unix.EPERM, unix.ENODEV, unix.ENONET:
			return Route{Err: no}, nil
		}
	}
	if err != nil {
		return Route{}, err
	}
	if len(msgs) == 0 {
		return Route{Err: unix.ENETUNREACH}, nil
	}
	return b.read(msgs[0], only)
}

// read takes a Route from the kernel's answer. What was told to leave through loopback and
// is not there arrives nowhere.
func (b *builder) read(m []byte, only *Device) (Route, error) {
	msg := nl.DeserializeRtMsg(m)
	attrs, err := nl.ParseRouteAttr(m[msg.Len():])
	if err != nil {
		return Route{}, err
	}
	var r Route
	tunnel := false
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.RTA_OIF:
			r.Device = b.devices[int(binary.NativeEndian.Uint32(a.Value))]
		case unix.RTA_PREFSRC:
			r.Src = ipOf(a.Value)
		case unix.RTA_GATEWAY:
			r.Gateway = ipOf(a.Value)
		case unix.RTA_VIA: // struct rtvia: a family and an address of it
			if len(a.Value) > 2 {
				r.Gateway = ipOf(a.Value[2:])
			}
		case unix.RTA_ENCAP_TYPE:
			tunnel = true
		case unix.RTA_METRICS:
			r.MTU = mtuOf(a.Value)
		}
	}
	switch msg.Type {
	case unix.RTN_BROADCAST, unix.RTN_MULTICAST:
		return Route{Err: unix.EACCES}, nil
	}
	if r.Device == nil || only != nil && only.Loopback && msg.Type == unix.RTN_UNICAST {
		return Route{Err: unix.ENETUNREACH}, nil
	}
	local := msg.Type == unix.RTN_LOCAL || msg.Type == unix.RTN_ANYCAST || r.Device.Loopback
	r.Frames = r.Device.Ethernet && !local && !tunnel
	if r.MTU == 0 || r.MTU > r.Device.MTU {
		r.MTU = r.Device.MTU
	}
	return r, nil
}

func mtuOf(metrics []byte) int {
	attrs, err := nl.ParseRouteAttr(metrics)
	if err != nil {
		return 0
	}
	for _, a := range attrs {
		if a.Attr.Type == unix.RTAX_MTU && len(a.Value) == 4 {
			return int(binary.NativeEndian.Uint32(a.Value))
		}
	}
	return 0
}
