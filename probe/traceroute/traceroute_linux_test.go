package traceroute_test

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/traceroute"
	"onmux/report/phrase/evidence"
)

func do(t testing.TB, h *nettest.Host, f func() error) {
	t.Helper()
	if err := h.Do(f); err != nil {
		t.Fatal(err)
	}
}

func addresses(path []probe.Hop) []netip.Addr {
	var out []netip.Addr
	for _, h := range path {
		out = append(out, h.Address)
	}
	return out
}

// The path to a host behind three routers, and what rejects or drops packets on it.
func TestPath(t *testing.T) {
	t.Parallel()
	c := nettest.NewChain(t, 4)
	target, second := c.Hosts[3], c.Hosts[1]
	var l net.Listener
	do(t, target, func() (err error) { l, err = net.Listen("tcp", ":417"); return })
	t.Cleanup(func() { l.Close() })
	for _, proto := range []string{"tcp", "udp"} {
		target.Rule(t, "inet", nettest.Rule{Proto: proto, Port: 420, Do: nettest.Drop()})
		second.Forward(t, "inet", nettest.Rule{Proto: proto, Port: 421, Do: nettest.Drop()})
		second.Forward(t, "ip", nettest.Rule{Proto: proto, Port: 422, Do: nettest.Unreachable(13)})
		second.Forward(t, "ip6", nettest.Rule{Proto: proto, Port: 422, Do: nettest.Unreachable(1)})
	}
	for _, tt := range []struct {
		name     string
		port     uint16
		protos   []probe.Proto
		hops     int
		reason   map[probe.Proto]probe.Reason
		answered bool
		sentence string
	}{
		{"open", 417, []probe.Proto{probe.TCP}, 4, map[probe.Proto]probe.Reason{probe.TCP: probe.SynAck}, true,
			"the target is hop 4: 3 routers between"},
		{"closed", 418, probe.Protos(), 4, map[probe.Proto]probe.Reason{probe.TCP: probe.Reset,
			probe.UDP: probe.PortUnreach}, true, "the target is hop 4: 3 routers between"},
		{"dropped by the target", 420, probe.Protos(), 3, nil, false, "hop 3); what comes next does not answer"},
		{"dropped by the second router", 421, probe.Protos(), 2, nil, false, "hop 2); what comes next does not answer"},
		{"refused by the second router", 422, probe.Protos(), 2,
			map[probe.Proto]probe.Reason{probe.TCP: probe.AdminProhibited,
				probe.UDP: probe.AdminProhibited}, true, "(hop 2), which answers admin-prohibited"},
	} {
		for _, proto := range tt.protos {
			for _, want := range [][]netip.Addr{c.Hops4, c.Hops6} {
				e := probe.Endpoint{Addr: want[3], Port: tt.port, Proto: proto}
				t.Run(tt.name+"/"+e.String(), func(t *testing.T) {
					t.Parallel()
					timeout := 20 * time.Second
					if !tt.answered {
						timeout = 500 * time.Millisecond
					}
					path, err := traceroute.Run(t.Context(), e, traceroute.Options{Timeout: timeout, Answered: tt.answered})
					// A router whose neighbor does not know it answers from the address
					// that it has there; ours all do.
					if err != nil || !slices.Equal(addresses(path), want[:tt.hops]) {
						t.Fatalf("%v, %v; want %v", path, err, want[:tt.hops])
					}
					for i, h := range path {
						reason := probe.TimeExceeded
						if i == len(path)-1 && tt.reason != nil {
							reason = tt.reason[proto]
						}
						if h.Hop != i+1 || h.RTT <= 0 || h.Reason != reason {
							t.Errorf("hop %d is %+v, want %s", i+1, h, reason)
						}
					}
					if s := evidence.Path(e, path); !strings.Contains(s, tt.sentence) {
						t.Errorf("%q", s)
					}
				})
			}
		}
	}
}

// Two routers that each forward to the other.
func TestPathLoop(t *testing.T) {
	t.Parallel()
	c := nettest.NewChain(t, 3)
	far := netip.MustParsePrefix("10.66.0.0/24")
	if err := nettest.AddRoute(far, c.Hops4[0]); err != nil {
		t.Fatal(err)
	}
	do(t, c.Hosts[0], func() error { return nettest.AddRoute(far, c.Hops4[1]) })
	do(t, c.Hosts[1], func() error { return nettest.AddRoute(far, c.Hops4[1].Prev()) })
	e := probe.Endpoint{Addr: netip.MustParseAddr("10.66.0.1"), Port: 417, Proto: probe.UDP}
	path, err := traceroute.Run(t.Context(), e, traceroute.Options{Timeout: 5 * time.Second})
	if s := evidence.Path(e, path); err != nil || !strings.Contains(s, "a routing loop: the packet comes back to ") {
		t.Errorf("%v, %v: %s", path, err, s)
	}
}

// Where there is no route at all, the error reports that; on one's own link there is no
// router.
func TestPathEnds(t *testing.T) {
	t.Parallel()
	h := nettest.NewHost(t)
	for _, a := range []netip.Addr{h.Addr4, h.Addr6, netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()} {
		e := probe.Endpoint{Addr: a, Port: 9, Proto: probe.TCP}
		path, err := traceroute.Run(t.Context(), e, traceroute.Options{Timeout: 20 * time.Second, Answered: true})
		if len(path) != 1 || path[0].Address != a || err != nil {
			t.Errorf("%s: %v, %v", a, path, err)
		}
	}
	for e, want := range map[probe.Endpoint]string{
		{Addr: netip.MustParseAddr("192.0.2.1"), Port: 9, Proto: probe.TCP}: "no route",
		{Addr: netip.MustParseAddr("192.0.2.1"), Proto: probe.UDP}:          "port 0",
	} {
		if path, err := traceroute.Run(t.Context(), e, traceroute.Options{Timeout: time.Second}); len(path) != 0 ||
			err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", e, path, err)
		}
	}
}
