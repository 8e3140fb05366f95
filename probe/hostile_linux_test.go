package probe_test

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/report/phrase/evidence"
)

// onLoopback opens a TCP and a UDP socket on one port, that send nothing.
func onLoopback(t testing.TB) uint16 {
	t.Helper()
	nettest.Need(t)
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", c.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); l.Close() })
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// Without descriptors or ports nothing is known of the endpoint, which is an error, never
// a verdict.
func TestBusy(t *testing.T) {
	port := onLoopback(t)
	attempt := func(t *testing.T, en engine, proto probe.Proto) {
		t.Helper()
		r, err := en.do(t.Context(), probe.Endpoint{Addr: loopback, Port: port, Proto: proto},
			probe.Options{Timeout: 20 * time.Millisecond})
		if !errors.Is(err, probe.ErrBusy) || !probe.IsBusy(err) || r.State != probe.Unknown {
			t.Errorf("%s %s: %s, %v; want %v", en.name, proto, r.State, err, probe.ErrBusy)
		}
	}
	for _, en := range engines {
		for _, proto := range probe.Protos() {
			t.Run("descriptors/"+en.name+"/"+proto.String(), func(t *testing.T) {
				defer noMoreDescriptors(t)()
				attempt(t, en, proto)
			})
		}
	}
	sysctl(t, "ipv4/ip_local_port_range", "40000 40001")
	defer sysctl(t, "ipv4/ip_local_port_range", "32768 60999")
	for _, en := range engines {
		for _, proto := range probe.Protos() {
			t.Run("ports/"+en.name+"/"+proto.String(), func(t *testing.T) {
				for range 2 {
					c, err := net.Dial(proto.String(), netip.AddrPortFrom(loopback, port).String())
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					if tcp, ok := c.(*net.TCPConn); ok {
						tcp.SetLinger(0)
					}
				}
				attempt(t, en, proto)
			})
		}
	}
}

func noMoreDescriptors(t *testing.T) (undo func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	none := unix.Rlimit{Cur: 3, Max: was.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Fatal(err)
		}
	}
}

// A socket that was given the port it probes must not take itself for an
// answer.
func TestNotOurselves(t *testing.T) {
	nettest.Need(t)
	sysctl(t, "ipv4/ip_local_port_range", "40000 40003")
	defer sysctl(t, "ipv4/ip_local_port_range", "32768 60999")
	for _, a := range []netip.Addr{loopback, netip.IPv6Loopback()} {
		for port := uint16(40000); port < 40004; port++ {
			for _, proto := range probe.Protos() {
				e := probe.Endpoint{Addr: a, Port: port, Proto: proto}
				for range 10 {
					r, err := probe.Do(t.Context(), e, probe.Options{Timeout: 20 * time.Second})
					if errors.Is(err, probe.ErrBusy) {
						continue
					}
					if err != nil || r.State != probe.Closed {
						t.Fatalf("%s: %s %s, %v", e, r.State, r.Reason, err)
					}
				}
			}
		}
	}
}

// A link-local address is probed on the link its zone names, by name or number.
func TestZone(t *testing.T) {
	t.Parallel()
	h := nettest.NewHost(t)
	link, err := netlink.LinkByName(h.Device)
	if err != nil {
		t.Fatal(err)
	}
	target := netip.MustParseAddr("fe80::417")
	add := func(device, address string) error {
		link, err := netlink.LinkByName(device)
		if err != nil {
			return err
		}
		addr, err := netlink.ParseAddr(address)
		if err != nil {
			return err
		}
		addr.Flags = unix.IFA_F_NODAD // usable at once
		return netlink.AddrAdd(link, addr)
	}
	if err := add(h.Device, "fe80::416/64"); err != nil {
		t.Fatal(err)
	}
	do(t, h, func() error { return add("vh"+strings.TrimPrefix(h.Device, "vt"), target.String()+"/64") })
	for _, zone := range []string{h.Device, strconv.Itoa(link.Attrs().Index)} {
		for _, proto := range probe.Protos() {
			e := probe.Endpoint{Addr: target.WithZone(zone), Port: 418, Proto: proto}
			var r probe.Result
			for range 5 { // the link may still be coming up
				if r, err = probe.Do(t.Context(), e, probe.Options{Timeout: 20 * time.Second}); err != nil ||
					r.State == probe.Closed {
					break
				}
			}
			if err != nil || r.State != probe.Closed || r.Responder.IsValid() || r.Endpoint != e {
				t.Errorf("%s: %s %s from %v, %q, %v", e, r.State, r.Reason, r.Responder, r.Error, err)
			}
		}
	}
	e := probe.Endpoint{Addr: target.WithZone("nosuch0"), Port: 418, Proto: probe.TCP}
	r, err := probe.Do(t.Context(), e, probe.Options{Timeout: time.Second})
	if err != nil || r.Reason != probe.LocalError || !strings.Contains(r.Error, `no interface "nosuch0"`) {
		t.Errorf("%s: %s %q, %v", e, r.Reason, r.Error, err)
	}
}

// What this machine's own routes forbid is not a verdict on the endpoint.
func TestOwnRoutes(t *testing.T) {
	nettest.Need(t)
	for i, kind := range []int{unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT, unix.RTN_BLACKHOLE} {
		for _, prefix := range []netip.Prefix{
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 90, byte(i), 0}), 24),
			netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 0x90, 0, byte(i)}), 64),
		} {
			dst := &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
			lo, err := netlink.LinkByName("lo")
			if err != nil {
				t.Fatal(err)
			}
			r := &netlink.Route{Dst: dst, Type: kind}
			if prefix.Addr().Is6() {
				r.LinkIndex = lo.Attrs().Index
			}
			if err := netlink.RouteAdd(r); err != nil {
				t.Fatal(prefix, err)
			}
			defer netlink.RouteDel(r)
			for _, en := range engines {
				for _, proto := range probe.Protos() {
					e := probe.Endpoint{Addr: prefix.Addr().Next(), Port: 417, Proto: proto}
					r, err := en.do(t.Context(), e, probe.Options{Timeout: 50 * time.Millisecond})
					if err != nil || r.State != probe.Unknown || r.Reason != probe.LocalError || r.Error == "" {
						t.Errorf("%s %s, route type %d: %s %s, %v", en.name, e, kind, r.State, r.Reason, err)
					}
					t.Log(r.Error)
				}
			}
		}
	}
}

// After TCP silence the evidence has how many SYNs the kernel sent.
func TestSilence(t *testing.T) {
	t.Parallel()
	h := nettest.NewHost(t)
	h.Rule(t, "inet", nettest.Rule{Proto: "tcp", Port: 417, Do: nettest.Drop()})
	e := probe.Endpoint{Addr: h.Addr4, Port: 418, Proto: probe.TCP}
	// A SYN that still waits for a neighbor is not sent again: find it first.
	r, err := probe.Do(t.Context(), e, probe.Options{Timeout: 20 * time.Second})
	if err != nil || r.State != probe.Closed {
		t.Fatal(r.State, r.Reason, err)
	}
	e.Port = 417
	r, err = probe.Do(t.Context(), e, probe.Options{Timeout: 1500 * time.Millisecond, Evidence: true})
	if err != nil || r.Reason != probe.NoResponse ||
		!strings.Contains(evidence.Sentences(&r)[0], "the kernel sent 2 SYNs") {
		t.Errorf("%s %q, %v", r.Reason, evidence.Sentences(&r), err)
	}
}
