package probe_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
	"onmux/report/phrase/evidence"
)

// testNetwork is a host with one port for each thing that a port can be, and a
// network behind the host that can be reached only through it.
type testNetwork struct {
	*nettest.Host
	behind4, behind6 netip.Addr // routed by the host to nowhere
	barred4, barred6 netip.Addr // forbidden by the host as a router
	far4, far6       netip.Addr // behind the host, whose firewall answers for it
}

const (
	portOpen = 417 + iota
	portClosed
	portFlaky  // accepts, then resets
	portSilent // accepts datagrams and sends none
	portDrop
	portReset
	portUnreach // + code
)

func newTestNetwork(t testing.TB) *testNetwork {
	h := nettest.NewHost(t)
	w := &testNetwork{Host: h,
		behind4: netip.MustParseAddr("10.99.0.9"), behind6: netip.MustParseAddr("fd99::9"),
		barred4: netip.MustParseAddr("10.98.0.9"), barred6: netip.MustParseAddr("fd98::9"),
		far4: netip.MustParseAddr("10.97.0.9"), far6: netip.MustParseAddr("fd97::9"),
	}
	for _, net := range []string{"10.97.0.0/24", "10.98.0.0/24", "10.99.0.0/24"} {
		route(t, net, h.Addr4)
	}
	for _, net := range []string{"fd97::/64", "fd98::/64", "fd99::/64"} {
		route(t, net, h.Addr6)
	}
	// Let both families find the host while the link comes up; after that,
	// without a neighbor to answer, give up in an instant, not in three seconds.
	for _, a := range []netip.Addr{h.Addr4, h.Addr6} {
		e := probe.Endpoint{Addr: a, Port: portClosed, Proto: probe.TCP}
		for range 10 {
			if r, err := probe.Do(t.Context(), e, probe.Options{Timeout: 20 * time.Second}); err != nil ||
				r.State == probe.Closed {
				break
			}
		}
	}
	for _, family := range []string{"ipv4", "ipv6"} {
		sysctl(t, family+"/neigh/"+h.Device+"/mcast_solicit", "1")
		sysctl(t, family+"/neigh/"+h.Device+"/retrans_time_ms", "20")
	}
	do(t, h, func() error {
		sysctl(t, "ipv4/icmp_ratemask", "0")
		sysctl(t, "ipv6/icmp/ratelimit", "0")
		sysctl(t, "ipv4/ip_forward", "1")
		sysctl(t, "ipv6/conf/all/forwarding", "1")
		return errors.Join(forbid("10.98.0.0/24"), forbid("fd98::/64"),
			nettest.AddRoute(netip.MustParsePrefix("10.97.0.0/24"),
				h.Self4), nettest.AddRoute(netip.MustParsePrefix("fd97::/64"), h.Self6),
			rejectForwarded(nftables.TableFamilyIPv4, 3), rejectForwarded(nftables.TableFamilyIPv6, 4))
	})
	w.firewall(t)
	w.serve(t)
	return w
}

func (w *testNetwork) firewall(t testing.TB) {
	for _, proto := range []string{"tcp", "udp"} {
		w.Rule(t, "inet", nettest.Rule{Proto: proto, Port: portDrop, Do: nettest.Drop()})
		for _, code := range []uint8{0, 1, 2, 3, 5, 9, 10, 13} {
			w.Rule(t, "ip", nettest.Rule{Proto: proto, Port: portUnreach + uint16(code), Do: nettest.Unreachable(code)})
		}
		for _, code := range []uint8{0, 1, 3, 4, 5, 6, 7} {
			w.Rule(t, "ip6", nettest.Rule{Proto: proto, Port: portUnreach + uint16(code), Do: nettest.Unreachable(code)})
		}
	}
	w.Rule(t, "inet", nettest.Rule{Proto: "tcp", Port: portReset, Do: nettest.Reset()})
}

func (w *testNetwork) serve(t testing.TB) {
	listen := func(port int, serve func(net.Conn)) {
		var l net.Listener
		do(t, w.Host, func() (err error) { l, err = net.Listen("tcp", fmt.Sprintf(":%d", port)); return })
		nettest.Accept(t, l, serve)
	}
	listen(portOpen, func(net.Conn) {})
	listen(portFlaky, func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) })
	for _, port := range []int{portOpen, portSilent} {
		var c net.PacketConn
		do(t, w.Host, func() (err error) { c, err = net.ListenPacket("udp", fmt.Sprintf(":%d", port)); return })
		nettest.Receive(t, c, func(_ []byte, from net.Addr) {
			if port == portOpen {
				c.WriteTo([]byte("hello\x1b[2J"), from)
			}
		})
	}
}

func do(t testing.TB, h *nettest.Host, f func() error) {
	t.Helper()
	if err := h.Do(f); err != nil {
		t.Fatal(err)
	}
}

// sysctl sets a value under /proc/sys/net in the calling thread's namespace.
func sysctl(t testing.TB, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0); err != nil {
		t.Skip("no network namespace with writable settings:", err)
	}
}

func route(t testing.TB, dst string, via netip.Addr) {
	t.Helper()
	if err := nettest.AddRoute(netip.MustParsePrefix(dst), via); err != nil {
		t.Fatal("route:", err)
	}
}

func forbid(dst string) error {
	_, n, err := net.ParseCIDR(dst)
	if err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{Dst: n, Type: unix.RTN_PROHIBIT})
}

// rejectForwarded makes a router refuse everything that it forwards.
func rejectForwarded(family nftables.TableFamily, code uint8) error {
	f := nft.New(family)
	f.Rule(f.Filter(nftables.ChainHookForward), nft.Reject(code))
	return f.Flush()
}

// expectation is what is known of an endpoint, because the test made it so.
type expectation struct {
	name      string
	addr      netip.Addr
	port      uint16
	tcp, udp  probe.Reason // NoReason: not probed
	icmp      probe.ICMP
	responder netip.Addr
	state     probe.State  // if not the Verdict of an answer of the target
	net       probe.Reason // what package net can know of the TCP case, if less
}

func (w *testNetwork) expectations() []expectation {
	const none = probe.NoReason
	var all []expectation
	for _, f := range []struct {
		name                                     string
		host, self, behind, barred, far, nowhere netip.Addr
	}{
		{"v4", w.Addr4, w.Self4, w.behind4, w.barred4, w.far4, netip.MustParseAddr("192.0.2.1")},
		{"v6", w.Addr6, w.Self6, w.behind6, w.barred6, w.far6, netip.MustParseAddr("2001:db8::1")},
	} {
		icmp := func(v4, v6 uint8) probe.ICMP {
			if f.name == "v4" {
				return probe.ICMP{Type: 3, Code: v4}
			}
			return probe.ICMP{Type: 1, Code: v6}
		}
		missing := f.host.Next()
		all = append(all, []expectation{
			{name: f.name + " open", addr: f.host, port: portOpen, tcp: probe.SynAck, udp: probe.UDPResponse},
			{name: f.name + " closed", addr: f.host, port: portClosed, tcp: probe.Reset},
			{name: f.name + " closed", addr: f.host, port: portClosed, udp: probe.PortUnreach, icmp: icmp(3, 4)},
			{name: f.name + " accepts and resets", addr: f.host, port: portFlaky, tcp: probe.SynAck},
			{name: f.name + " listens and is silent", addr: f.host, port: portSilent, udp: probe.NoResponse},
			{name: f.name + " dropped", addr: f.host, port: portDrop, tcp: probe.NoResponse, udp: probe.NoResponse},
			{name: f.name + " without a verdict", addr: f.host, port: portUnreach + uint16(icmp(5, 7).Code),
				tcp: probe.NoResponse,
				udp: probe.NoResponse, net: probe.LocalError + 1},
			{name: f.name + " reset by firewall", addr: f.host, port: portReset, tcp: probe.Reset},
			{name: f.name + " own closed", addr: f.self, port: portClosed, tcp: probe.Reset},
			{name: f.name + " own closed", addr: f.self, port: portClosed, udp: probe.PortUnreach, icmp: icmp(3, 4)},
			{name: f.name + " no neighbor", addr: missing, port: 417, tcp: probe.NoNeighbor, udp: probe.NoNeighbor,
				icmp: icmp(1, 3), net: probe.HostUnreach},
			{name: f.name + " no route", addr: f.nowhere, port: 417, tcp: probe.LocalError, udp: probe.LocalError},
			{name: f.name + " router has no route", addr: f.behind, port: 417, tcp: probe.NetUnreach, udp: probe.NetUnreach,
				icmp: icmp(0, 0), responder: f.host},
			{name: f.name + " refused by a router", addr: f.far, port: 417, tcp: probe.PortUnreach, udp: probe.PortUnreach,
				icmp: icmp(3, 4), responder: f.host, state: probe.Filtered, net: probe.Reset},
		}...)
		if f.name == "v4" {
			all = append(all, expectation{name: "v4 forbidden by a router", addr: f.barred, port: 417,
				tcp:  probe.AdminProhibited,
				udp:  probe.AdminProhibited,
				icmp: icmp(13, 1), responder: f.host, net: probe.HostUnreach})
		}
		for code, r := range map[uint8][2]probe.Reason{
			0: {probe.NetUnreach, probe.NetUnreach}, 1: {probe.HostUnreach, probe.AdminProhibited}, 2: {probe.ProtoUnreach},
			3: {probe.PortUnreach, probe.HostUnreach}, 4: {none, probe.PortUnreach}, 5: {none,
				probe.AdminProhibited}, 6: {none, probe.NetProhibited},
			9: {probe.NetProhibited}, 10: {probe.HostProhibited}, 13: {probe.AdminProhibited},
		} {
			want := r[0]
			if f.name == "v6" {
				want = r[1]
			}
			if want != none {
				all = append(all, expectation{name: fmt.Sprintf("%s rejected %d", f.name, code), addr: f.host, port: portUnreach +
					uint16(code),
					tcp: want, udp: want, icmp: icmp(code, code), net: probe.LocalError + 1})
			}
		}
	}
	return all
}

func TestTruth(t *testing.T) {
	w := newTestNetwork(t)
	before := descriptors(t)
	for _, tt := range w.expectations() {
		for _, proto := range probe.Protos() {
			reason := map[probe.Proto]probe.Reason{probe.TCP: tt.tcp, probe.UDP: tt.udp}[proto]
			if reason == probe.NoReason {
				continue
			}
			e := probe.Endpoint{Addr: tt.addr, Port: tt.port, Proto: proto}
			t.Run(tt.name+"/"+proto.String(), func(t *testing.T) {
				timeout := 20 * time.Second
				if reason == probe.NoResponse {
					timeout = 50 * time.Millisecond
				}
				r, err := probe.Do(t.Context(), e, probe.Options{Timeout: timeout, Evidence: true})
				if err != nil {
					t.Fatal(err)
				}
				state := tt.state
				if state == probe.Unknown {
					state = probe.Verdict(proto, reason, true)
				}
				if r.State != state || r.Reason != reason || r.ICMP != tt.icmp || r.Responder != tt.responder ||
					r.Endpoint != e || r.Tries != 1 {
					t.Errorf("%s: %s %s %v from %v\nwant %s %s %v from %v", r.Endpoint, r.State, r.Reason, r.ICMP, r.Responder,
						state, reason, tt.icmp, tt.responder)
				}
				if (r.State == probe.Unknown) != (r.Error != "") || (r.Error == "") != (len(evidence.Sentences(&r)) > 0) {
					t.Errorf("state %s, error %q, evidence %+v", r.State, r.Error, r.Facts)
				}
				if r.RTT != 0 && !r.Reason.IsAnswer() {
					t.Errorf("%s (%s) has a round-trip time", r.State, r.Reason)
				}
				t.Logf("%s: %s %s ttl %d rtt %v %s %q %s %q", e, r.State, r.Reason, r.TTL, time.Duration(r.RTT), r.Confidence,
					evidence.Sentences(&r), r.Error, evidence.Notes(&r))
				if tt.responder.IsValid() {
					return // a router without a route answers one peer five times, then once a second
				}
				if bare, err := probe.Do(t.Context(), e, probe.Options{Timeout: timeout}); err != nil || bare.Reason != reason ||
					bare.Facts != nil {
					t.Errorf("without evidence: %s %+v %v", bare.Reason, bare.Facts, err)
				}
			})
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// What package net can know is less, and never a wrong `open`.
func TestTruthThroughPackageNet(t *testing.T) {
	t.Parallel()
	w := newTestNetwork(t)
	for _, tt := range w.expectations() {
		if tt.tcp == probe.NoReason || tt.net > probe.LocalError {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			timeout, want := 20*time.Second, tt.tcp
			if want == probe.NoResponse {
				timeout = 50 * time.Millisecond
			}
			if tt.net != probe.NoReason {
				want = tt.net
			}
			e := probe.Endpoint{Addr: tt.addr, Port: tt.port, Proto: probe.TCP}
			r, err := probe.Dial(context.Background(), e, probe.Options{Timeout: timeout, Evidence: true})
			if err != nil || r.Reason != want || r.State != probe.Verdict(probe.TCP, want, true) {
				t.Errorf("%s: %s %s %v, want %s", e, r.State, r.Reason, err, want)
			}
		})
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}
