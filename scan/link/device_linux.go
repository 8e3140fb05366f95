package link

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// devices are the interfaces of this namespace, by index.
type devices map[int]*Device

func listDevices(ctx context.Context) (devices, error) {
	links, err := netlink.Links(ctx)
	if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
		return nil, fmt.Errorf("the interfaces of this machine cannot be listed: %w", err)
	}
	addrs, err := netlink.Addresses(ctx)
	if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
		return nil, fmt.Errorf("the addresses of this machine cannot be listed: %w", err)
	}
	all := make(devices, len(links))
	for _, l := range links {
		d := newDevice(l)
		all[d.Index] = d
	}
	for _, a := range addrs {
		if d := all[a.Interface]; d != nil && a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 {
			d.addrs = append(d.addrs, a.Addr)
		}
	}
	return all, nil
}

func newDevice(l netlink.Link) *Device {
	d := &Device{
		Index: l.Index, Name: l.Name, MTU: l.MTU,
		Loopback: l.Flags&unix.IFF_LOOPBACK != 0,
		Carrier:  carrier(l.Flags),
	}
	// A device without ARP has Ethernet headers and no MACs to resolve; the kernel
	// knows what to write there.
	if l.Type == unix.ARPHRD_ETHER && l.Flags&unix.IFF_NOARP == 0 && len(l.HardwareAddr) == len(d.MAC) {
		d.Ethernet, d.MAC = true, [6]byte(l.HardwareAddr)
	}
	return d
}

// carrier reports whether a device with these flags (linux/if.h) is up and connected.
func carrier(flags uint32) bool {
	return flags&unix.IFF_UP != 0 && flags&unix.IFF_LOWER_UP != 0
}

// named finds a device by its name, or by its number as in a zone.
func (all devices) named(name string) (*Device, error) {
	for _, d := range all {
		if d.Name == name {
			return d, nil
		}
	}
	if n, err := strconv.Atoi(name); err == nil && all[n] != nil {
		return all[n], nil
	}
	return nil, fmt.Errorf("no interface %q on this machine; name one that it has: %w", name, unix.ENODEV)
}

// Neighbors reads the kernel's table of neighbors on a device: the entries that it
// holds for certain, or did until a short while ago.
func Neighbors(ctx context.Context, d *Device) ([]Neighbor, error) {
	entries, err := netlink.Neighbors(ctx, uint32(d.Index))
	if err != nil && !errors.Is(err, netlink.ErrInterrupted) {
		return nil, fmt.Errorf("the kernel's neighbors on %s cannot be read: %w", d.Name, err)
	}
	const usable = unix.NUD_PERMANENT | unix.NUD_REACHABLE | unix.NUD_STALE | unix.NUD_DELAY | unix.NUD_PROBE
	var out []Neighbor
	for _, e := range entries {
		if e.State&usable == 0 || len(e.HardwareAddr) != 6 || !e.Addr.IsValid() {
			continue
		}
		out = append(out, Neighbor{Addr: e.Addr, MAC: [6]byte(e.HardwareAddr), Fixed: e.State&unix.NUD_PERMANENT != 0})
	}
	return out, nil
}

// Loopback is this machine's loopback device.
func Loopback(ctx context.Context) (*Device, error) {
	all, err := listDevices(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if d.Loopback {
			return d, nil
		}
	}
	return nil, fmt.Errorf("this machine has no loopback device: %w", unix.ENODEV)
}
