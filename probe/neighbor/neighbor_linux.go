package neighbor

import (
	"context"
	"net"
	"net/netip"

	"onmux/probe/netlink"
)

// MAC is the hardware address of a host, as "52:54:00:12:34:56". It is "" where the host is
// behind a router or this machine itself, and where the kernel has not found it out.
func MAC(ctx context.Context, a netip.Addr) string {
	var index uint32
	if zone := a.Zone(); zone != "" {
		device, err := net.InterfaceByName(zone)
		if err != nil {
			return ""
		}
		index = uint32(device.Index)
	}
	r, err := netlink.LookupRoute(ctx, netlink.RouteQuery{Dst: a, Interface: index})
	if err != nil || r.Gateway.IsValid() || r.Interface == 0 {
		return ""
	}
	n, err := netlink.LookupNeighbor(ctx, a, r.Interface)
	if err != nil || n.Failed() || len(n.HardwareAddr) != 6 {
		return ""
	}
	return net.HardwareAddr(n.HardwareAddr).String()
}
