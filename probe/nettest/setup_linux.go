package nettest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Setup runs steps in the host's namespace. It fails the test if one fails.
func (h *Host) Setup(t testing.TB, steps ...func() error) {
	t.Helper()
	for i, step := range steps {
		if err := h.Do(step); err != nil {
			t.Fatalf("nettest: step %d in the host: %v", i, err)
		}
	}
}

// Setup runs steps in the test's own namespace.
func Setup(t testing.TB, steps ...func() error) {
	t.Helper()
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("nettest: step %d: %v", i, err)
		}
	}
}

// PeerDevice is the host's end of the link.
func (h *Host) PeerDevice() string { return h.peer }

// Sysctl returns a step that sets a value below /proc/sys/net, if it is there:
// older kernels have some of them for the whole machine.
func Sysctl(name, value string) func() error {
	return func() error {
		err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0)
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		return err
	}
}

// Route returns a step that adds a route: through a device, by way of a router
// if via is valid, or of a kind that has no device (unix.RTN_BLACKHOLE and the
// like). RTN_LOCAL makes all addresses of the network the namespace's own.
func Route(dst, device string, kind int, via netip.Addr) func() error {
	return func() error {
		p := netip.MustParsePrefix(dst)
		network := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
		r := netlink.Route{Dst: network, Type: kind}
		if kind == unix.RTN_LOCAL {
			r.Table, r.Scope = unix.RT_TABLE_LOCAL, netlink.SCOPE_HOST
		}
		if device != "" {
			l, err := netlink.LinkByName(device)
			if err != nil {
				return err
			}
			r.LinkIndex = l.Attrs().Index
		}
		if via.IsValid() {
			r.Gw = via.AsSlice()
		}
		return netlink.RouteAdd(&r)
	}
}

// Address returns a step that adds an address to a device.
func Address(device, prefix string) func() error {
	return func() error {
		l, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		a, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		a.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(l, a); err != nil || l.Attrs().RawFlags&unix.IFF_RUNNING == 0 {
			return err
		}
		return usable(l)
	}
}

// usable waits until no global address of a device is tentative any more. Without duplicate address
// detection too, the kernel decides that in a work queue, and on a busy machine later than the
// first packet leaves: from another address.
func usable(l netlink.Link) error {
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(pollInterval) {
		addrs, err := netlink.AddrList(l, unix.AF_INET6)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(addrs, func(a netlink.Addr) bool {
			return a.Scope == unix.RT_SCOPE_UNIVERSE && a.Flags&unix.IFA_F_TENTATIVE != 0
		}) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("nettest: %s has tentative addresses after 20 s", l.Attrs().Name)
		}
	}
}

// UnlimitedICMP has the host send as many ICMP errors as there are reasons to,
// and forward packets.
func (h *Host) UnlimitedICMP(t testing.TB) {
	t.Helper()
	h.Setup(t, Sysctl("ipv4/icmp_ratemask", "0"), Sysctl("ipv6/icmp/ratelimit", "0"),
		Sysctl("ipv4/icmp_msgs_per_sec", "1000000"), Sysctl("ipv4/icmp_msgs_burst", "1000000"),
		Sysctl("ipv4/ip_forward", "1"), Sysctl("ipv6/conf/all/forwarding", "1"))
}

// tunQueue is how many packets wait until the test reads them. The kernel's 500 are less than
// what a scan sends while a busy machine runs something else.
const tunQueue = 10_000

// TUN makes a device without Ethernet in the caller's namespace. The error is
// os.ErrNotExist or os.ErrPermission where there can be none.
func TUN(name string, addrs ...string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return nil, err
	}
	l, err := netlink.LinkByName(name)
	if err != nil {
		return nil, err
	}
	for _, s := range addrs {
		if err := Address(name, s)(); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(netlink.LinkSetTxQLen(l, tunQueue), netlink.LinkSetUp(l), usable(l)); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}
