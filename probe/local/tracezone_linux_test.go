package local_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe/nettest"
)

// A link-local address keeps its zone when it answers.
func TestTraceZone(t *testing.T) {
	nettest.InHost(t, func(*nettest.Host) {
		links, err := netlink.LinkList()
		if err != nil {
			t.Fatal(err)
		}
		link := links[0]
		addr := &netlink.Addr{
			IPNet: &net.IPNet{IP: net.ParseIP("fe80::703"), Mask: net.CIDRMask(64, 128)},
			Flags: unix.IFA_F_NODAD,
		}
		if err := netlink.AddrAdd(link, addr); err != nil {
			t.Fatal(err)
		}
		// The kernel makes the route to it a little later (addrconf_dad_work).
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			_, err := net.DialTimeout("tcp6", "[fe80::703%"+link.Attrs().Name+"]:704", 50*time.Millisecond)
			if errors.Is(err, unix.ECONNREFUSED) {
				break
			}
			if time.Now().After(end) {
				t.Fatal(err)
			}
		}
		nettest.Open(t, unix.AF_INET6, unix.SOCK_STREAM, func(fd int) error {
			return unix.Bind(fd, &unix.SockaddrInet6{Addr: [16]byte(addr.IP), Port: 703, ZoneId: uint32(link.Attrs().Index)})
		}, nettest.Listen(7))
		v, _ := traced(t, 703)
		want := "[fe80::703%" + link.Attrs().Name + "]:703"
		if got := v.Trace[0]; got.To != want || got.Backend != want ||
			!strings.HasPrefix(got.Text, want+": the kernel accepted, the application has not: ") {
			t.Errorf("%+v", got)
		}
	})
}
