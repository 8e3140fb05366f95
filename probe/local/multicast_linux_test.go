package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
)

func deviceIndex(t testing.TB, name string) int {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return i.Index
}

func join4(group string, index int) func(int) error {
	return func(fd int) error {
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
			&unix.IPMreqn{Multiaddr: netip.MustParseAddr(group).As4(), Ifindex: int32(index)})
	}
}

func join6(group string, index int) func(int) error {
	return func(fd int) error {
		return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP,
			&unix.IPv6Mreq{Multiaddr: netip.MustParseAddr(group).As16(), Interface: uint32(index)})
	}
}

// joinFrom4 asks for one sender (struct ip_mreq_source: group, own address,
// sender).
func joinFrom4(group string, own, sender netip.Addr) func(int) error {
	return func(fd int) error {
		g, o, s := netip.MustParseAddr(group).As4(), own.As4(), sender.As4()
		return unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_ADD_SOURCE_MEMBERSHIP, string(slices.Concat(g[:], o[:], s[:])))
	}
}

func bind6(addr string, port uint16, zone int) func(int) error {
	return func(fd int) error {
		return unix.Bind(fd, &unix.SockaddrInet6{Addr: netip.MustParseAddr(addr).As16(), Port: int(port), ZoneId: uint32(zone)})
	}
}

// Groups are told of the sockets that receive what is sent to them, and of no
// other: another host sends to each, and every socket is held against what it
// got.
func TestGroups(t *testing.T) {
	h := nettest.NewHost(t)
	veth, lo := deviceIndex(t, h.Device), deviceIndex(t, "lo")
	only6 := flag(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	onVeth := func(fd int) error { return unix.BindToDevice(fd, h.Device) }
	onLo := func(fd int) error { return unix.BindToDevice(fd, "lo") }
	const s4, s6, dgram = unix.AF_INET, unix.AF_INET6, unix.SOCK_DGRAM | unix.SOCK_NONBLOCK
	open(t, s4, dgram, all(join4("239.4.17.1", veth), join4("224.0.0.251", lo), joinFrom4("232.4.17.1", h.Self4, h.Addr4)))
	open(t, s6, dgram, all(join6("ff02::417", veth), join6("ff05::417", veth), join6("ff05::417", lo)))

	plain, special := "239.4.17.1 on "+h.Device, fmt.Sprintf("232.4.17.1 on %s, from %s only", h.Device, h.Addr4)
	mdns, six, site, siteLo := "224.0.0.251 on lo", "ff02::417 on "+h.Device, "ff05::417 on "+h.Device, "ff05::417 on lo"
	four, sixes := []string{mdns, special, plain}, []string{six, siteLo, site}
	slices.Sort(sixes) // lo before vt
	sockets := []struct {
		port   uint16
		fd     int
		reach  string
		groups []string
	}{
		{4501, open(t, s4, dgram, bindTo("0.0.0.0", 4501)), "any", four},
		{4502, open(t, s6, dgram, bindTo("::", 4502)), "any", sixes},
		{4503, open(t, s6, dgram, all(only6, bindTo("::", 4503))), "any", sixes},
		{4504, open(t, s4, dgram, all(onVeth, bindTo("0.0.0.0", 4504))), "any", []string{special, plain}},
		{4505, open(t, s4, dgram, all(onLo, bindTo("0.0.0.0", 4505))), "loopback", []string{mdns}},
		{4506, open(t, s4, dgram, bindTo("239.4.17.1", 4506)), "private", []string{plain}},
		{4507, open(t, s4, dgram, bindTo("239.4.17.9", 4507)), "private", nil},
		{4508, open(t, s6, dgram, bind6("ff02::417", 4508, veth)), "link-local", []string{six}},
		{4509, open(t, s6, dgram, bind6("ff02::417", 4509, lo)), "loopback", nil},
		{4510, open(t, s4, dgram, bindTo("224.0.0.1", 4510)), "link-local", []string{"224.0.0.1 on lo", "224.0.0.1 on " + h.Device}},
		{4511, open(t, s4, dgram, bindTo(h.Self4.String(), 4511)), "private", nil},
	}
	var facts []fact
	for _, s := range sockets {
		facts = append(facts, fact{port: probe.Port{Number: s.port, Proto: probe.UDP}})
	}
	for name, look := range map[string]func(context.Context, query) (view, error){"sock_diag": look, "proc": withoutDiag} {
		r := ask(t, facts, Request{IPv4: true, IPv6: true}, look)
		for i, s := range sockets {
			l := r.Listeners[i]
			if name == "proc" && (l.Family == "" || s.port == 4504 || s.port == 4505 || s.port == 4508 || s.port == 4509) {
				continue // devices and families are not told
			}
			if l.Reach != s.reach || !slices.Equal(l.Groups, s.groups) {
				t.Errorf("%s: %d: %s, %q; want %s, %q", name, s.port, l.Reach, l.Groups, s.reach, s.groups)
			}
			unjoined := strings.Contains(r.Verdicts[i].Why, "has not joined")
			if want := l.Address.IsMulticast() && s.groups == nil; unjoined != want {
				t.Errorf("%s: %d: %s", name, s.port, r.Verdicts[i].Why)
			}
		}
		const dual = "; an IPv6 socket that takes IPv4 receives those of IPv4 that it has joined itself, which are not told"
		if want := "multicast groups: those that this machine has joined, by device, whichever socket asked for them" + dual; !slices.Contains(r.Coverage, want) {
			t.Errorf("%s: coverage %q", name, r.Coverage)
		}
	}
	if err := h.Do(func() error { return routeGroups(h.Addr4) }); err != nil {
		t.Fatal(err)
	}
	after := open(t, s4, dgram, bindTo(h.Self4.String(), 4599))
	for _, s := range sockets {
		for _, group := range []string{"239.4.17.1", "232.4.17.1", "239.4.17.9", "ff02::417", "ff05::417"} {
			to := netip.AddrPortFrom(netip.MustParseAddr(group), s.port)
			if err := h.Do(func() error { return multicast(to, h.Addr4) }); err != nil {
				t.Fatal("send to ", to, ": ", err)
			}
			told := slices.ContainsFunc(s.groups, func(g string) bool { return strings.HasPrefix(g, group+" on "+h.Device) })
			if !told { // wait for what is sent on this link after it, and so arrives after it
				if err := h.Do(func() error { return multicast(netip.AddrPortFrom(h.Self4, 4599), h.Addr4) }); err != nil {
					t.Fatal(err)
				}
				hear(t, after, true)
			}
			if got := hear(t, s.fd, told); got != told {
				t.Errorf("%s arrives: %t, told: %t", to, got, told)
			}
		}
	}
}

// multicast sends a datagram to a group from the one link of this host.
func multicast(to netip.AddrPort, from netip.Addr) error {
	domain := unix.AF_INET
	if to.Addr().Is6() {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if domain == unix.AF_INET {
		if err := unix.SetsockoptInet4Addr(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, from.As4()); err != nil {
			return err
		}
		return unix.Sendto(fd, []byte("!"), 0, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	}
	index, err := deviceOf(from)
	if err != nil {
		return err
	}
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, index),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 1),
		unix.Sendto(fd, []byte("!"), 0, &unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())}))
}

// routeGroups lets IPv6 groups be sent to at once: the kernel adds the route when
// it has noticed that the link is up.
func routeGroups(own netip.Addr) error {
	index, err := deviceOf(own)
	if err != nil {
		return err
	}
	err = netlink.RouteAdd(&netlink.Route{LinkIndex: index, Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_MULTICAST,
		Dst: &net.IPNet{IP: net.ParseIP("ff00::"), Mask: net.CIDRMask(8, 128)}})
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

func deviceOf(a netip.Addr) (int, error) {
	links, err := net.Interfaces()
	for _, l := range links {
		addrs, _ := l.Addrs()
		if slices.ContainsFunc(addrs, func(have net.Addr) bool { return strings.HasPrefix(have.String(), a.String()+"/") }) {
			return l.Index, nil
		}
	}
	return 0, errors.Join(errors.New("no device has "+a.String()), err)
}

// hear reports whether a datagram came, which is waited for where it is due.
func hear(t *testing.T, fd int, due bool) bool {
	t.Helper()
	for due {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 5000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			t.Errorf("nothing arrives within 5 s: %v", err)
		}
		break
	}
	n, _, err := unix.Recvfrom(fd, make([]byte, 8), unix.MSG_DONTWAIT)
	return err == nil && n == 1
}
