package nettest_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"onmux/probe/nettest"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// The namespace must have no way out: an address beyond the link is no route,
// not a packet.
func TestNoWayOut(t *testing.T) {
	nettest.Need(t)
	nettest.NewHost(t)
	c, err := net.Dial("udp", "192.0.2.1:9")
	if err == nil {
		c.Close()
		t.Fatal("a route to 192.0.2.1 exists in the test's namespace")
	}
}

func TestHost(t *testing.T) {
	h := nettest.NewHost(t)
	var l net.Listener
	if err := h.Do(func() (err error) { l, err = net.Listen("tcp", ":417"); return err }); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dial := func(a netip.Addr, port uint16) error {
		var d net.Dialer
		c, err := d.DialContext(context.Background(), "tcp", netip.AddrPortFrom(a, port).String())
		if err == nil {
			c.Close()
		}
		return err
	}
	for _, a := range []netip.Addr{h.Addr4, h.Addr6} {
		if err := dial(a, 417); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	h.Rule(t, "inet", nettest.Rule{Proto: "tcp", Port: 417, Do: nettest.Reset()})
	if err := dial(h.Addr4, 417); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after a reset rule: %v", err)
	}
	h.Rule(t, "ip", nettest.Rule{Proto: "tcp", Port: 418, Do: nettest.Unreachable(1)})
	if err := dial(h.Addr4, 418); !errors.Is(err, syscall.EHOSTUNREACH) {
		t.Errorf("after a host-unreachable rule: %v", err)
	}
}
