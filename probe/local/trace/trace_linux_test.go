package trace

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/socket"
	"onmux/probe/nettest"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// connect traces one TCP port, whatever listens there.
func connect(t *testing.T, number uint16) []*Attempt {
	t.Helper()
	q := socket.Query{Ports: map[probe.Proto][]uint16{probe.TCP: {number}}, IPv4: true, IPv6: true}
	seen, err := socket.Read(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	p := probe.Port{Number: number, Proto: probe.TCP}
	r, err := Connect(t.Context(), q, seen.Table, []probe.Port{p, {Number: number, Proto: probe.UDP}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if len(r.Attempts) != 1 || r.Made != len(r.Attempts[p]) || r.Left != 0 {
		t.Fatalf("%+v", r)
	}
	return r.Attempts[p]
}

// What answers is the socket at the other end, or no process while none has accepted.
func TestConnect(t *testing.T) {
	nettest.InHost(t, func(*nettest.Host) {
		if a := connect(t, 417); len(a) != 2 || a[0].Outcome != Refused || a[1].Outcome != Refused || a[0].Listening {
			t.Errorf("%+v", a)
		}
		nettest.Open(t, unix.AF_INET6, unix.SOCK_STREAM, nettest.Bind("::", 417), nettest.Listen(7))
		for i, a := range connect(t, 417) {
			to := []string{"127.0.0.1:417", "[::1]:417"}[i]
			if a.To.String() != to || a.Outcome != Waiting || a.Backend != a.To || !a.Listening || len(a.Listeners) != 1 ||
				a.End.Inode != 0 || !a.Answered() || a.Redirected() {
				t.Errorf("%+v", a)
			}
		}
	})
}

// A port that is free can be bound, one that is in use cannot, and one of sockets that
// share it can where a server shares it too.
func TestTryBind(t *testing.T) {
	nettest.InHost(t, func(*nettest.Host) {
		reuse := nettest.Option(unix.SOL_SOCKET, unix.SO_REUSEADDR)
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, reuse, nettest.Bind("127.0.0.1", 418))
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 419))
		for number, want := range map[uint16][]BindOutcome{
			417: {Bound, Bound, Bound},
			418: {BoundShared, Bound, BoundShared},
			419: {NotBound, Bound, NotBound},
		} {
			trials := TryBind(socket.Query{IPv4: true, IPv6: true}, probe.Port{Number: number, Proto: probe.TCP})
			var got []BindOutcome
			for i, trial := range trials {
				got = append(got, trial.Outcome)
				if trial.Family != []BindFamily{IPv4, IPv6, Dual}[i] || (trial.Err == nil) != (trial.Outcome == Bound) {
					t.Errorf("%d: %+v", number, trial)
				}
			}
			if free := number == 417; !slices.Equal(got, want) || trials.Free() != free || trials.InUse() == free {
				t.Errorf("%d: %v, want %v", number, trials, want)
			}
		}
	})
	if trials := (BindTrials)(nil); trials.Free() || trials.InUse() {
		t.Error("a port that was not bound is free or in use")
	}
}

// A server that ends each connection at once.
func TestConnectClosed(t *testing.T) {
	for _, c := range []struct {
		linger int
		want   []Outcome // the process may still be seen
	}{{-1, []Outcome{Closed, Accepted}}, {0, []Outcome{Reset, Accepted}}} {
		nettest.InHost(t, func(*nettest.Host) {
			l, err := net.Listen("tcp4", "127.0.0.1:417")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c2, err := l.Accept()
					if err != nil {
						return
					}
					c2.(*net.TCPConn).SetLinger(c.linger)
					c2.Close()
				}
			}()
			if a := connect(t, 417); !slices.Contains(c.want, a[0].Outcome) {
				t.Errorf("%+v", a[0])
			}
		})
	}
}

func TestTargets(t *testing.T) {
	lo6 := netip.IPv6Loopback()
	own := []netip.Addr{
		netip.MustParseAddr("127.0.0.1"),
		lo6,
		netip.MustParseAddr("10.0.0.1"),
		netip.MustParseAddr("fe80::1"),
	}
	at := func(s, family, device string) socket.Socket {
		return socket.Socket{Local: netip.AddrPortFrom(netip.MustParseAddr(s), 417), Family: family,
			Device: socket.Device{Name: device}}
	}
	type sockets = []socket.Socket
	both, only4, only6 := socket.Query{IPv4: true, IPv6: true}, socket.Query{IPv4: true}, socket.Query{IPv6: true}
	for name, c := range map[string]struct {
		q       socket.Query
		sockets sockets
		own     []netip.Addr
		want    string
	}{
		"nothing":     {both, nil, own, "127.0.0.1 [::1]"},
		"no IPv6":     {both, nil, own[:1], "127.0.0.1"},
		"-4":          {only4, nil, own, "127.0.0.1"},
		"-6":          {only6, nil, own, "[::1]"},
		"any":         {both, sockets{at("0.0.0.0", "ipv4", "")}, own, "127.0.0.1"},
		"only 6":      {both, sockets{at("::", "ipv6", "")}, own, "[::1]"},
		"dual":        {both, sockets{at("::", "dual", "")}, own, "127.0.0.1 [::1]"},
		"own":         {both, sockets{at("10.0.0.1", "ipv4", ""), at("10.0.0.1", "ipv4", "")}, own, "10.0.0.1"},
		"own of link": {both, sockets{at("fe80::1%eth0", "ipv6", "")}, own, "[fe80::1%eth0]"},
		"foreign":     {both, sockets{at("10.0.0.2", "ipv4", "")}, own, "!10.0.0.2"},
		"of a device": {both, sockets{at("0.0.0.0", "ipv4", "eth0")}, own, "!127.0.0.1"},
		"many": {only4, sockets{
			at("127.0.0.1", "", ""), at("127.0.0.2", "", ""), at("127.0.0.3", "", ""), at("127.0.0.4", "", ""),
			at("127.0.0.5", "", ""),
		}, own, "127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4"},
		"loopback's 8": {only4, sockets{at("127.1.2.3", "ipv4", "")}, own, "127.1.2.3"},
	} {
		var got []string
		for _, a := range targets(c.q, probe.Port{Number: 417, Proto: probe.TCP}, c.sockets, c.own) {
			s := strings.TrimSuffix(a.To.String(), ":417")
			if a.Err != nil {
				s = "!" + s
			}
			got = append(got, s)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", name, s, c.want)
		}
	}
}

// A connection from an ephemeral port to itself is not answered by anybody.
func TestConnectToItself(t *testing.T) {
	nettest.InHost(t, func(*nettest.Host) {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("41700 41700"), 0); err != nil {
			t.Fatal(err)
		}
		if a := connect(t, 41700); a[0].Outcome != Refused {
			t.Errorf("%+v", a[0])
		}
	})
}

func TestTakes(t *testing.T) {
	at, addr := netip.MustParseAddrPort, netip.MustParseAddr
	own := []netip.Addr{addr("10.0.0.1"), addr("fd00::1")}
	for _, c := range []struct {
		local, family, to string
		want              bool
	}{
		{"10.0.0.1:80", "ipv4", "10.0.0.1:80", true},
		{"10.0.0.1:80", "ipv4", "10.0.0.1:81", false},
		{"0.0.0.0:80", "ipv4", "10.0.0.1:80", true},
		{"0.0.0.0:80", "ipv4", "10.0.0.2:80", false},
		{"0.0.0.0:80", "ipv4", "[fd00::1]:80", false},
		{"[::]:80", "dual", "10.0.0.1:80", true},
		{"[::]:80", "ipv6", "10.0.0.1:80", false},
		{"[::]:80", "ipv6", "[fd00::1]:80", true},
	} {
		s := socket.Socket{Local: at(c.local), Family: c.family}
		if got := takes(s, at(c.to), own); got != c.want {
			t.Errorf("%s (%s) takes %s: %t", c.local, c.family, c.to, got)
		}
	}
}

// The name of a device is quoted where it would break a line of text.
func TestDeviceError(t *testing.T) {
	for device, want := range map[string]string{
		"eth0": "it listens on device eth0 only",
		"e\n":  `it listens on device "e\n" only`,
	} {
		if got := (&DeviceError{device}).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
