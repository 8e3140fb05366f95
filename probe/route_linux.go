package probe

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// lookupRoute is the kernel's route to an endpoint. The kernel answers at once, so
// that no context is needed to end it.
func lookupRoute(d *descriptor, e Endpoint) (netlink.Route, error) {
	zone, _ := zoneIndex(d, e.Addr.Zone())
	return netlink.LookupRoute(context.Background(), netlink.RouteQuery{Dst: e.Addr, Interface: zone})
}

// routeFrom is the route of a connected socket, with what is needed to look up its neighbor.
func routeFrom(s *socket, e Endpoint) (*Route, netlink.Route) {
	h, err := lookupRoute(&s.descriptor, e)
	r := &Route{Source: s.local().Addr().Unmap()}
	if err != nil {
		return r, h
	}
	r.Interface, r.Gateway = deviceName(s, h.Interface), h.Gateway
	if r.Gateway.IsLinkLocalUnicast() && r.Gateway.Is6() {
		r.Gateway = r.Gateway.WithZone(r.Interface)
	}
	return r, h
}

// addRoute adds to a Result by which route the probe left, and, after silence, whether a
// neighbor accepted the packets at all.
func addRoute(s *socket, e Endpoint, o Options, r *Result, d time.Duration) {
	silent := r.Reason == NoResponse
	if !o.Evidence && !(o.Neighbor && silent) || r.Reason == NoReason || r.Reason == LocalError {
		return
	}
	route, h := routeFrom(s, e)
	r.Route = route
	if silent {
		judgeNeighbor(e, r, h, d)
	}
	if !o.Evidence {
		r.Route, r.Facts = nil, nil
		return
	}
	if l := s.local(); l.IsValid() {
		from := netip.AddrPortFrom(l.Addr().Unmap(), l.Port())
		r.Facts = append(r.Facts, Fact{Kind: FactSource, From: from, Route: route})
	}
}

// judgeNeighbor turns silence into "no neighbor" where the kernel still waits for one
// to accept the packets, or has given up: it reports that to sockets only after three
// seconds, and nothing is known of the target before.
func judgeNeighbor(e Endpoint, r *Result, h netlink.Route, d time.Duration) {
	next := e.Addr
	if h.Gateway.IsValid() {
		next = h.Gateway
	}
	if h.Type == unix.RTN_LOCAL || h.Interface == 0 {
		return
	}
	n, err := netlink.LookupNeighbor(context.Background(), next, h.Interface)
	if err != nil || n.State&(unix.NUD_INCOMPLETE|unix.NUD_FAILED) == 0 {
		return
	}
	r.Reason, r.State, r.Confidence = NoNeighbor, Verdict(e.Proto, NoNeighbor, false), Medium
	if n.State&unix.NUD_FAILED != 0 {
		r.Confidence = High
	}
	r.Facts = []Fact{{Kind: FactNoNeighbor, Addr: next, Route: r.Route, After: Millis(d)}}
}

// neighborTableFull reports whether a SYN that was just sent to a neighbor was dropped,
// because the kernel has no entry for it.
func neighborTableFull(s *socket, e Endpoint) bool {
	h, err := lookupRoute(&s.descriptor, e)
	if err != nil || h.Type == unix.RTN_LOCAL || h.Interface == 0 || h.Gateway.IsValid() {
		return false
	}
	_, err = netlink.LookupNeighbor(context.Background(), e.Addr, h.Interface)
	return errors.Is(err, unix.ENOENT) && resolvesNeighbors(s, deviceName(s, h.Interface))
}

// resolvesNeighbors reports whether a device needs ARP or NDP.
func resolvesNeighbors(s *socket, device string) bool {
	ifr, err := unix.NewIfreq(device)
	if err != nil || unix.IoctlIfreq(s.fd, unix.SIOCGIFFLAGS, ifr) != nil {
		return false
	}
	return ifr.Uint16()&(unix.IFF_NOARP|unix.IFF_LOOPBACK|unix.IFF_POINTOPOINT) == 0
}

// deviceName is the interface's name, or its number where it has none any more.
func deviceName(s *socket, index uint32) string {
	ifr, err := unix.NewIfreq("")
	if err == nil {
		ifr.SetUint32(index)
		if unix.IoctlIfreq(s.fd, unix.SIOCGIFNAME, ifr) == nil {
			return ifr.Name()
		}
	}
	return strconv.FormatUint(uint64(index), 10)
}
