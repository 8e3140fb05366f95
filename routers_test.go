package main

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"onmux/probe/nettest"
)

// routers makes a host behind three routers, which listens on 417, and sets
// TARGET4 and TARGET6, and HOP1 to HOP3. The second router drops what goes to 421
// and forbids 422. With everywhere, every TCP port of the host is 417, and so it is
// on all addresses of NET4, sixteen of them.
func routers(t *testing.T, ts *testscript.TestScript, everywhere bool) {
	c := nettest.NewChain(t, 4)
	for i, a := range c.Hops4[:3] {
		ts.Setenv("HOP"+strconv.Itoa(i+1), a.String())
	}
	ts.Setenv("TARGET4", c.Hops4[3].String())
	ts.Setenv("TARGET6", c.Hops6[3].String())
	for _, proto := range []string{"tcp", "udp"} {
		c.Hosts[1].Forward(t, "inet", nettest.Rule{Proto: proto, Port: 421, Do: nettest.Drop()})
		c.Hosts[1].Forward(t, "ip", nettest.Rule{Proto: proto, Port: 422, Do: nettest.Unreachable(13)})
	}
	ts.Check(c.Hosts[3].Do(func() error { return serve("tcp", ":417", "SSH-2.0-OpenSSH_9.2p1\r\n") }))
	if everywhere {
		c.Hosts[3].Redirect(t, 417)
		net4, err := c.Hops4[3].Prefix(24)
		ts.Check(err)
		net4 = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 42, net4.Addr().As4()[2], 128}), 28)
		c.Hosts[3].AddLocal(t, net4)
		ts.Setenv("NET4", net4.String())
	}
}
