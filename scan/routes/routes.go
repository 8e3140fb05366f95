package routes

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"onmux/probe"
	"onmux/scan/link"
	"onmux/scan/target"
)

// Range is the route to a range of targets, or why there is none.
type Range struct {
	First netip.Addr `json:"first"`
	Last  netip.Addr `json:"last"`
	Port  string     `json:"port,omitempty"` // as 417/tcp, where rules of this machine send ports different ways
	probe.Route
	Error string `json:"error,omitempty"`
}

// sameRoute reports whether two ranges have the same route.
func (r *Range) sameRoute(o *Range) bool {
	return r.Route == o.Route && r.Error == o.Error && r.Port == o.Port &&
		r.First.Is4() == o.First.Is4() && r.First.Zone() == o.First.Zone()
}

// maxRanges bounds the ranges whose route is listed.
const maxRanges = 64

// List lists the routes to all of the plan's addresses, from the kernel's tables.
// Where the tables cannot be read, as on some systems and where netlink is forbidden, it
// lists those of the first address of each run, without the gateway.
func List(ctx context.Context, p *target.Plan, device string) (all []Range, more uint64, err error) {
	table, err := link.Routes(ctx, link.RouteConfig{Runs: p.Runs(), Ports: p.Ports(), Device: device})
	all = []Range{}
	add := func(r Range) {
		switch n := len(all); {
		case n > 0 && more == 0 && all[n-1].sameRoute(&r):
			all[n-1].Last = r.Last
		case n < maxRanges:
			all = append(all, r)
		default:
			more++
		}
	}
	switch {
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EAFNOSUPPORT):
		for first, last := range p.Runs() {
			add(systemRoute(ctx, link.Span{First: first, Last: last}))
		}
	case err != nil:
		return nil, 0, err
	default:
		eachRoute(p, table, add)
	}
	return all, more, nil
}

// eachRoute looks up every port that the table distinguishes.
func eachRoute(p *target.Plan, table *link.Table, add func(Range)) {
	for ask, port := range p.Ports() {
		if ask > 0 && !table.ByPort() {
			break
		}
		for first, last := range p.Runs() {
			for part, r := range table.Parts(link.Span{First: first, Last: last}, ask) {
				out := Range{First: part.First, Last: part.Last}
				if table.ByPort() {
					out.Port = port.String()
				}
				if r.Err != nil {
					out.Error = link.SendError(r.Err).Error()
				} else {
					out.Route = probe.Route{Source: r.Src, Interface: r.Device.Name, Gateway: r.Gateway}
					if r.Src.Is6() && r.Src.IsLinkLocalUnicast() {
						out.Source = r.Src.WithZone(r.Device.Name)
					}
				}
				add(out)
			}
		}
	}
}

// systemRoute asks the system from where and through which interface it would send
// to the first address of a run, by connecting a UDP socket, which sends nothing.
func systemRoute(ctx context.Context, s link.Span) Range {
	r := Range{First: s.First, Last: s.Last}
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", netip.AddrPortFrom(s.First, 9).String())
	if err != nil {
		if no, ok := errors.AsType[syscall.Errno](err); ok {
			err = no
		}
		r.Error = err.Error()
		return r
	}
	defer c.Close()
	from := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	r.Route = probe.Route{Source: from, Interface: interfaceOf(from)}
	return r
}

// interfaceOf names the interface that has an address, or is "".
func interfaceOf(a netip.Addr) string {
	if a.Zone() != "" {
		return a.Zone()
	}
	all, err := net.Interfaces()
	if err != nil {
		return ""
	}
	for _, i := range all {
		addrs, _ := i.Addrs()
		if slices.ContainsFunc(addrs, func(n net.Addr) bool { return strings.HasPrefix(n.String(), a.String()+"/") }) {
			return i.Name
		}
	}
	return ""
}
