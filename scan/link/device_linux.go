package link

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// devices are the interfaces of this namespace, by index.
type devices map[int]*Device

func listDevices() (devices, error) {
	links, err := netlink.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("the interfaces of this machine cannot be listed: %w", err)
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("the addresses of this machine cannot be listed: %w", err)
	}
	all := make(devices, len(links))
	for _, l := range links {
		d := newDevice(l.Attrs())
		all[d.Index] = d
	}
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP)
		if d := all[a.LinkIndex]; ok && d != nil && a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 {
			d.addrs = append(d.addrs, ip.Unmap())
		}
	}
	return all, nil
}

func newDevice(a *netlink.LinkAttrs) *Device {
	d := &Device{
		Index: a.Index, Name: a.Name, MTU: a.MTU,
		Loopback: a.RawFlags&unix.IFF_LOOPBACK != 0,
		Carrier:  carrier(a.RawFlags),
	}
	// A device without ARP has Ethernet's headers and nobody to ask for a MAC;
	// the kernel knows what to write there.
	if a.EncapType == "ether" && a.RawFlags&unix.IFF_NOARP == 0 && len(a.HardwareAddr) == len(d.MAC) {
		d.Ethernet, d.MAC = true, [6]byte(a.HardwareAddr)
	}
	return d
}

// carrier says that a device with these flags (linux/if.h) is up and has its
// counterpart.
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

// ipOf is what the netlink package calls an address.
func ipOf(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a.Unmap()
}

// Neighbours reads the kernel's table for a device: what it holds for certain,
// or did until a short while ago.
func Neighbours(d *Device) ([]Neighbour, error) {
	entries, err := netlink.NeighList(d.Index, netlink.FAMILY_ALL)
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("the kernel's neighbours on %s cannot be read: %w", d.Name, err)
	}
	const usable = netlink.NUD_PERMANENT | netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE
	var out []Neighbour
	for _, e := range entries {
		a := ipOf(net.IP(e.IP))
		if e.State&usable == 0 || len(e.HardwareAddr) != 6 || !a.IsValid() {
			continue
		}
		out = append(out, Neighbour{Addr: a, MAC: [6]byte(e.HardwareAddr), Fixed: e.State&netlink.NUD_PERMANENT != 0})
	}
	return out, nil
}

// Loopback is this machine's loopback device.
func Loopback() (*Device, error) {
	all, err := listDevices()
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
