package raw

import (
	"context"
	"fmt"
	"net/netip"

	"onmux/probe"
	"onmux/scan/link"
	"onmux/scan/packet"
)

// routes has the route to each target. It is read-only.
type routes struct {
	table   *link.Table
	portOf  func(index uint64) int // the number of an endpoint's port
	all     []route                // by link.Route.ID
	paths   *link.Paths
	sockets []txSocket
}

// route is a link.Route and what is needed to send along it.
type route struct {
	*link.Route
	builder *packet.Builder
	path    packet.Path
	socket  int      // which of a sender's sockets
	nextHop *nextHop // nil on the link itself, and where the kernel sends
	failure string   // why nothing can be sent along it, or ""
}

// txSocket describes a socket to send by; every sender opens one of each.
type txSocket struct {
	device  *link.Device // for frames; nil where the kernel sends
	v4      bool
	longest int // packet, in bytes
}

func (s txSocket) open(device string) (*link.Sender, error) {
	if s.device != nil {
		return link.OpenFrames(s.device, s.longest)
	}
	return link.OpenRaw(s.v4, device, s.longest)
}

// newRoutes asks the kernel for the routes to all targets, and adds their next
// hops to the table of neighbors.
func newRoutes(ctx context.Context, c *core) (*routes, error) {
	ports := c.Targets.Ports()
	table, err := link.Routes(ctx, link.RouteConfig{
		Runs: c.Targets.Runs(), Ports: ports, Device: c.Device, Source: c.Source, Spread: true,
	})
	if err != nil {
		return nil, err
	}
	r := &routes{table: table, portOf: c.Targets.PortOf, paths: table.Paths()}
	builders := make(map[packet.Path]*packet.Builder)
	for _, l := range table.Routes() {
		to := route{Route: l}
		if to.failure = to.prepare(c.cookies, ports, builders); to.failure == "" {
			to.socket = r.addSocket(l, max(to.builder.MaxLen(), packet.MaxNeighbor))
			if l.Frames && l.Gateway.IsValid() {
				to.nextHop = c.neighbors.nextHops.add(l)
			}
		}
		r.all = append(r.all, to)
	}
	return r, nil
}

// prepare makes the builder of packets, and returns why there can be none, or "".
func (r *route) prepare(cookies *packet.Cookies, ports []probe.Port, builders map[packet.Path]*packet.Builder) string {
	if r.Err != nil {
		return link.SendError(r.Err).Error()
	}
	if !r.Src.IsValid() {
		return "this machine has no address to reach it from"
	}
	least := 68 // the least MTU of IPv4, RFC 791
	if r.Src.Is6() {
		least = 1280 // RFC 8200, section 5
	}
	r.path = packet.Path{Framing: packet.RawIP, Src: r.Src, MTU: min(max(r.MTU, least), 65535)}
	if r.Frames {
		r.path.Framing, r.path.MAC = packet.Ethernet, r.Device.MAC
	}
	if builders[r.path] == nil {
		b, err := packet.NewBuilder(r.path, cookies, ports)
		if err != nil {
			return err.Error()
		}
		builders[r.path] = b
	}
	r.builder = builders[r.path]
	return ""
}

// addSocket returns the place of the socket that a route needs.
func (r *routes) addSocket(l *link.Route, longest int) int {
	want := txSocket{v4: l.Src.Is4(), longest: longest}
	if l.Frames {
		want = txSocket{device: l.Device, longest: longest}
	}
	for i := range r.sockets {
		if s := &r.sockets[i]; s.device == want.device && s.v4 == want.v4 {
			s.longest = max(s.longest, longest)
			return i
		}
	}
	r.sockets = append(r.sockets, want)
	return len(r.sockets) - 1
}

// to is the route to a target.
func (r *routes) to(index uint64, a netip.Addr) *route {
	if len(r.all) == 1 { // most often all targets are behind one gateway
		return &r.all[0]
	}
	return &r.all[r.table.Find(a, r.portOf(index)).ID]
}

// common is the route to all targets and the MAC of its next hop, if there is
// only one and the MAC is known: then neither is looked up for each probe.
func (r *routes) common() (*route, packet.MAC) {
	if len(r.all) != 1 || r.all[0].nextHop == nil {
		return nil, packet.MAC{}
	}
	mac, ok := r.all[0].nextHop.get()
	if !ok {
		return nil, mac
	}
	return &r.all[0], mac
}

// uses reports whether packets of a family are sent.
func (r *routes) uses(v4 bool) bool {
	for i := range r.all {
		if r := &r.all[i]; r.failure == "" && r.Src.Is4() == v4 {
			return true
		}
	}
	return false
}

// isLocal reports whether the route leads to this machine itself.
func (r *route) isLocal() bool { return r.failure == "" && r.Device.Loopback }

// neighbor is the station that packets to an endpoint are sent to on an Ethernet.
func (r *route) neighbor(to probe.Endpoint) neighbor {
	if r.nextHop != nil {
		return r.nextHop.neighbor
	}
	return neighbor{to.Addr.WithZone(""), r.Device.Index}
}

// putSolicit writes the packet that asks a neighbor for its MAC, and returns its
// length; 0 if this machine has no address to ask from.
func (r *route) putSolicit(buf []byte, n neighbor) int {
	p := r.path
	p.Src = r.Device.Source(n.addr, r.Src)
	return packet.PutSolicit(buf, p, n.addr)
}

// tooLong is the answer to a probe for which no packet can be written.
func (r *route) tooLong() probe.Result {
	return probe.Result{Reason: probe.LocalError,
		Error: fmt.Sprintf("the probe is longer than the MTU of %d bytes on the way to it", r.path.MTU)}
}
