package local_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/socket"
	"onmux/probe/nettest"
	"onmux/report/phrase"
)

// TestMain runs the tests in namespaces of their own, and the processes that they
// start in those that they are started in.
func TestMain(m *testing.M) {
	nettest.RunProcess()
	if os.Getenv(roleEnv) == "proxy" {
		os.Exit(runProxy())
	}
	if os.Getenv(roleEnv) != "" {
		os.Exit(m.Run())
	}
	nettest.Exit(nettest.Alone(m))
}

// The inside of the package, by its names there.
type (
	query = Query
	view  = View
)

var (
	look   = Look
	lookAt = LookAt
)

// completed is a report with its sentences.
type completed struct {
	Verdicts  []Verdict
	Listeners []Listener
	Coverage  []string
	Hints     []string
}

func complete(r Report) completed {
	phrase.Complete(&r)
	return completed{r.Verdicts, r.Listeners, phrase.CheckCoverage(r.Coverage), phrase.CheckHints(r.Coverage)}
}

// checked is Check with the sentences.
func checked(ctx context.Context, r Request) (completed, error) {
	report, err := Check(ctx, r)
	return complete(report), err
}

// roleEnv names what a test binary does that a test started.
const roleEnv = "ONMUX_TEST_ROLE"

// fact is the truth about one port of openSockets.
type fact struct {
	port    probe.Port
	verdict Word
	holders []Listener // address, family, state, reach, device and backlog
	why     string     // what the sentence must contain, apart from the holder's name; … is anything
}

// byProc is the fact as far as /proc/net has it.
func (f fact) byProc() fact {
	f.holders = slices.Clone(f.holders)
	for i := range f.holders {
		h := &f.holders[i]
		if h.Address.Is6() && h.Address.IsUnspecified() {
			h.Family = ""
		}
		if h.Device, h.Backlog = "", nil; h.Address.IsUnspecified() {
			h.Reach = "any"
		}
	}
	if f.verdict == Bound || f.verdict == Free && f.port.Proto == probe.TCP {
		f.verdict, f.holders = Unknown, nil
	}
	f.why = ""
	return f
}

func holds(state Word, addr, family, reach string) Listener {
	return Listener{Address: netip.MustParseAddr(addr), State: state, Family: family, Reach: reach}
}

// openSockets opens sockets of every kind, and returns the truth about them.
func openSockets(t testing.TB) []fact {
	nettest.Need(t)
	tcp := func(n uint16) probe.Port { return probe.Port{Number: n, Proto: probe.TCP} }
	udp := func(n uint16) probe.Port { return probe.Port{Number: n, Proto: probe.UDP} }
	const s4, s6, stream, dgram = unix.AF_INET, unix.AF_INET6, unix.SOCK_STREAM, unix.SOCK_DGRAM
	only6 := nettest.Option(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	twin := nettest.Option(unix.SOL_SOCKET, unix.SO_REUSEPORT)
	onLo := func(fd int) error { return unix.BindToDevice(fd, "lo") }

	nettest.Open(t, s4, stream, nettest.Bind("0.0.0.0", 4001), nettest.Listen(7))
	nettest.Open(t, s4, stream, nettest.Bind("127.0.0.1", 4002), nettest.Listen(7))
	nettest.Open(t, s6, stream, only6, nettest.Bind("::", 4003), nettest.Listen(7))
	nettest.Open(t, s6, stream, nettest.Bind("::", 4004), nettest.Listen(7))
	nettest.Open(t, s6, stream, nettest.Bind("::1", 4005), nettest.Listen(7))
	nettest.Open(t, s6, stream, nettest.Bind("::ffff:127.0.0.1", 4006), nettest.Listen(7))
	nettest.Open(t, s4, stream, twin, nettest.Bind("0.0.0.0", 4007), nettest.Listen(7))
	nettest.Open(t, s4, stream, twin, nettest.Bind("0.0.0.0", 4007), nettest.Listen(7))
	nettest.Open(t, s4, stream, nettest.Bind("127.0.0.1", 4008))
	nettest.Open(t, s6, stream, only6, nettest.Bind("::", 4009))
	nettest.Open(t, s4, stream, onLo, nettest.Bind("0.0.0.0", 4010), nettest.Listen(7))
	nettest.Open(t, s4, stream, nettest.Bind("127.0.0.1", 4011), nettest.Listen(1))
	nettest.Open(t, s4, stream, nettest.Connect(4011))
	nettest.Open(t, s4, stream, nettest.Connect(4011))
	nettest.Open(t, s4, stream, nettest.Bind("127.0.0.1", 4020), nettest.Listen(7))
	nettest.Open(t, s4, stream, nettest.Bind("127.0.0.1", 4012), nettest.Connect(4020))
	nettest.Open(t, s4, stream, nettest.Bind("127.0.0.1", 4013), nettest.Listen(7))
	nettest.Open(t, s6, stream, only6, nettest.Bind("::1", 4013), nettest.Listen(7))
	nettest.Open(t, s4, dgram, nettest.Bind("0.0.0.0", 4001))
	nettest.Open(t, s6, dgram, nettest.Bind("::", 4002))
	nettest.Open(t, s6, dgram, only6, nettest.Bind("::", 4003))
	nettest.Open(t, s4, dgram, nettest.Bind("127.0.0.1", 4004), nettest.Connect(4001))
	nettest.Open(t, s4, dgram, twin, nettest.Bind("127.0.0.1", 4005))
	nettest.Open(t, s4, dgram, twin, nettest.Bind("127.0.0.1", 4005), nettest.Connect(4001))
	ended := inTimeWait(t)

	device := holds(Listening, "0.0.0.0", "ipv4", "loopback")
	device.Device = "lo"
	full := holds(Listening, "127.0.0.1", "ipv4", "loopback")
	full.Backlog = &socket.Backlog{Used: 2, Limit: 1}
	any4 := holds(Listening, "0.0.0.0", "ipv4", "any")
	lo4, lo6 := holds(Listening, "127.0.0.1", "ipv4", "loopback"), holds(Listening, "::1", "ipv6", "loopback")
	return []fact{
		{tcp(4001), Listening, []Listener{any4}, " on 0.0.0.0:4001, reachable from any address"},
		{tcp(4002), Listening, []Listener{lo4}, " on 127.0.0.1:4002, reachable from this machine only"},
		{tcp(4003), Listening, []Listener{holds(Listening, "::", "ipv6", "any")},
			" on [::]:4003 (IPv6 only), reachable from any address"},
		{tcp(4004), Listening, []Listener{holds(Listening, "::", "dual", "any")},
			" on [::]:4004, reachable from any address"},
		{tcp(4005), Listening, []Listener{lo6}, " on [::1]:4005, reachable from this machine only"},
		{tcp(4006), Listening, []Listener{lo4}, " on 127.0.0.1:4006, reachable from this machine only"},
		{tcp(4007), Listening, []Listener{any4, any4}, " on 0.0.0.0:4007 (2 sockets), reachable from any address"},
		{tcp(4008), Bound, []Listener{holds(Bound, "127.0.0.1", "ipv4", "loopback")},
			" on 127.0.0.1:4008, but not listening"},
		{tcp(4009), Bound, []Listener{holds(Bound, "::", "ipv6", "any")}, " on [::]:4009 (IPv6 only), but not listening"},
		{tcp(4010), Listening, []Listener{device}, " on 0.0.0.0:4010 on device lo, reachable from this machine only"},
		{tcp(4011), Listening, []Listener{full}, ", accept queue full (2 of 1)…; 2 connections use the number"},
		{tcp(4012), Connected, []Listener{holds(Connected, "127.0.0.1", "ipv4", "loopback")},
			"nothing listens; 1 connection uses the number, of "},
		{tcp(4013), Listening, []Listener{lo4, lo6}, " on 127.0.0.1:4013 and [::1]:4013, reachable from this machine only"},
		{tcp(ended), Connected, nil, "nothing listens; 1 connection in TIME_WAIT still uses the number"},
		{tcp(4015), Free, nil, "no socket in this network namespace uses 4015/tcp"},
		{udp(4001), Listening, []Listener{any4}, " on 0.0.0.0:4001, reachable from any address"},
		{udp(4002), Listening, []Listener{holds(Listening, "::", "dual", "any")},
			" on [::]:4002, reachable from any address"},
		{udp(4003), Listening, []Listener{holds(Listening, "::", "ipv6", "any")}, " on [::]:4003 (IPv6 only)"},
		{udp(4004), Connected, []Listener{holds(Connected, "127.0.0.1", "ipv4", "loopback")},
			"nothing listens; 1 connection uses the number, of "},
		{udp(4005), Listening, []Listener{lo4},
			" on 127.0.0.1:4005, reachable from this machine only; 1 connection uses the number"},
		{udp(4015), Free, nil, "no socket in this network namespace uses 4015/udp"},
	}
}

// inTimeWait leaves a connection in TIME_WAIT and returns the port of the end that
// closed first, which keeps it.
func inTimeWait(t testing.TB) uint16 {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	port := near.LocalAddr().(*net.TCPAddr).AddrPort().Port()
	near.Close()
	if _, err := far.Read(make([]byte, 1)); err == nil {
		t.Fatal("read something from a closed connection")
	}
	far.Close()
	p := probe.Port{Number: port, Proto: probe.TCP}
	for diag := socket.NewDiag(); ; {
		seen, err := diag.Read(t.Context(), probe.TCP,
			socket.Query{Ports: map[probe.Proto][]uint16{probe.TCP: {port}}, IPv4: true})
		if err != nil || seen[p] == nil {
			t.Fatalf("no trace of the connection: %v", err)
		}
		if seen[p].Count[socket.TimeWait] == 1 {
			return port
		}
	}
}

// ask checks the ports of some facts.
func ask(t testing.TB, facts []fact, r Request, look func(context.Context, query) (view, error)) completed {
	t.Helper()
	for _, f := range facts {
		r.Ports = append(r.Ports, f.port)
	}
	report, err := CheckWith(t.Context(), r, look)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Verdicts) != len(facts) {
		t.Fatal(errors.New("a verdict is missing"))
	}
	return complete(report)
}

// addRoute makes a route through a gateway in the calling thread's namespace.
func addRoute(to netip.Prefix, via netip.Addr) error {
	return netlink.RouteAdd(&netlink.Route{
		Dst: &net.IPNet{IP: to.Addr().AsSlice(), Mask: net.CIDRMask(to.Bits(), 32)}, Gw: via.AsSlice(),
	})
}
