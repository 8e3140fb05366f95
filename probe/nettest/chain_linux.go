package nettest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

var chains atomic.Uint32

// NewChain makes n hosts in a row; links beyond the first take 10.42.N.0/24 and
// fd42:N::/64. The routers answer for every packet that ends with them.
func NewChain(t testing.TB, n int) *Chain {
	t.Helper()
	c := &Chain{}
	for i := range n {
		h := NewHost(t)
		c.Hosts = append(c.Hosts, h)
		a4, a6 := h.Addr4, h.Addr6
		if i > 0 {
			a4, a6 = c.link(t, i)
		}
		c.Hops4, c.Hops6 = append(c.Hops4, a4), append(c.Hops6, a6)
	}
	for i, h := range c.Hosts {
		if err := h.Do(func() error { return c.makeRouter(i) }); err != nil {
			t.Fatalf("nettest: host %d of a chain: %v", i, err)
		}
	}
	for j := 1; j < n; j++ {
		if err := errors.Join(AddRoute(c.net4(j), c.Hops4[0]), AddRoute(c.net6(j), c.Hops6[0])); err != nil {
			t.Fatal("nettest: routes to a chain:", err)
		}
	}
	c.awaitLinks(c.Hops4[n-1])
	c.awaitLinks(c.Hops6[n-1])
	return c
}

// awaitLinks connects until the last host refuses: while links come up, packets are lost.
func (c *Chain) awaitLinks(last netip.Addr) {
	for range 20 {
		conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(last, 9).String(), 5*time.Second)
		if err == nil {
			conn.Close()
			return
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
	}
}

// makeRouter makes a router of host i, in its namespace.
func (c *Chain) makeRouter(i int) error {
	var errs []error
	set := func(name, value string) {
		errs = append(errs, os.WriteFile("/proc/sys/net/"+name, []byte(value), 0))
	}
	set("ipv4/ip_forward", "1")
	set("ipv6/conf/all/forwarding", "1")
	for _, name := range []string{
		"ipv4/icmp_ratemask", "ipv6/icmp/ratelimit", "ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter",
	} {
		set(name, "0")
	}
	if i > 0 { // the way back
		errs = append(errs, AddRoute(c.Hosts[0].Net4, c.Hops4[i].Prev()), AddRoute(c.Hosts[0].Net6, c.Hops6[i].Prev()))
	}
	for j := i + 2; j < len(c.Hosts); j++ { // the way on
		errs = append(errs, AddRoute(c.net4(j), c.Hops4[i+1]), AddRoute(c.net6(j), c.Hops6[i+1]))
	}
	return errors.Join(errs...)
}

func (c *Chain) net4(i int) netip.Prefix { return netip.PrefixFrom(c.Hops4[i], 24).Masked() }
func (c *Chain) net6(i int) netip.Prefix { return netip.PrefixFrom(c.Hops6[i], 64).Masked() }

// AddRoute routes to a network by way of a router, in the caller's namespace.
func AddRoute(p netip.Prefix, via netip.Addr) error {
	_, dst, err := net.ParseCIDR(p.String())
	if err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{Dst: dst, Gw: via.AsSlice()})
}

// link joins host i to the one before it and returns the host's addresses; those
// of the other end are one less.
func (c *Chain) link(t testing.TB, i int) (a4, a6 netip.Addr) {
	t.Helper()
	n := chains.Add(1)
	if n > 250 {
		t.Fatal("nettest: too many links in one test binary")
	}
	a4 = netip.MustParseAddr(fmt.Sprintf("10.42.%d.2", n))
	a6 = netip.MustParseAddr(fmt.Sprintf("fd42:%x::2", n))
	h, before := c.Hosts[i], c.Hosts[i-1]
	var ns *os.File
	err := h.Do(func() (err error) { ns, err = os.Open("/proc/thread-self/ns/net"); return err })
	if err == nil {
		defer ns.Close()
		err = before.Do(func() error {
			attrs := netlink.NewLinkAttrs()
			attrs.Name = "next"
			veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "last", PeerNamespace: netlink.NsFd(ns.Fd())}
			return errors.Join(netlink.LinkAdd(veth), before.configure("next", a4.Prev(), a6.Prev()))
		})
	}
	if err == nil {
		err = h.Do(func() error { return h.configure("last", a4, a6) })
	}
	if err != nil {
		t.Fatal("nettest: link hosts:", err)
	}
	return a4, a6
}
