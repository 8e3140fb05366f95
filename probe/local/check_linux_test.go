package local_test

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/socket"
	"onmux/probe/nettest"
)

// compare holds a report against the facts.
func compare(t *testing.T, facts []fact, r completed) {
	t.Helper()
	for i, f := range facts {
		v := r.Verdicts[i]
		if v.Port != f.port.Number || v.Proto != f.port.Proto || v.Verdict != f.verdict ||
			(v.Error != "") != (f.verdict == Unknown) {
			t.Errorf("%s: %+v, want %s", f.port, v, f.verdict)
		}
		for piece := range strings.SplitSeq(f.why, "…") {
			if !strings.Contains(v.Why, piece) {
				t.Errorf("%s: why %q lacks %q", f.port, v.Why, piece)
			}
		}
		var got []Listener
		for _, l := range r.Listeners {
			if l.Port == f.port.Number && l.Proto == f.port.Proto {
				if len(l.Owners) != 1 || l.Owners[0].PID != os.Getpid() || l.UID == nil || *l.UID != 0 || l.NetNS != "host" ||
					(l.Peer == "") == (l.State == Connected) {
					t.Errorf("%s: %+v", f.port, l)
				}
				bare := Listener{Address: l.Address, Family: l.Family, State: l.State, Reach: l.Reach, Device: l.Device,
					Backlog: l.Backlog}
				if l.Backlog != nil && *l.Backlog == (socket.Backlog{Used: 0, Limit: 7}) {
					bare.Backlog = nil // as every listener of openSockets but one
				}
				got = append(got, bare)
			}
		}
		if !reflect.DeepEqual(got, f.holders) {
			t.Errorf("%s: held by\n%+v, want\n%+v", f.port, got, f.holders)
		}
	}
}

// One table of truth, seen through every source: filtered by the kernel, dumped
// whole (as for many ports) and read from /proc/net.
func TestCheck(t *testing.T) {
	facts := openSockets(t)
	both := Request{IPv4: true, IPv6: true, Owners: true}
	for name, look := range map[string]func(context.Context, query) (view, error){"sock_diag": look,
		"sock_diag by family": withoutBoth} {
		t.Run(name, func(t *testing.T) {
			for _, proto := range probe.Protos() {
				few := slices.DeleteFunc(slices.Clone(facts), func(f fact) bool { return f.port.Proto != proto })
				compare(t, few, ask(t, few, both, look))
			}
		})
	}
	t.Run("dump", func(t *testing.T) {
		many := slices.Clone(facts)
		for n := uint16(4100); n < 4100+socket.ManyPorts; n++ {
			for _, proto := range probe.Protos() {
				many = append(many, fact{probe.Port{Number: n, Proto: proto}, Free, nil, ""})
			}
		}
		r := ask(t, many, both, look)
		compare(t, many, r)
		if want := "TCP and UDP sockets, IPv4 and IPv6, from the kernel (sock_diag)"; r.Coverage[0] != want {
			t.Errorf("coverage %q", r.Coverage)
		}
	})
	t.Run("proc", func(t *testing.T) {
		var less []fact
		for _, f := range facts {
			less = append(less, f.byProc())
		}
		r := ask(t, less, both, withoutDiag)
		compare(t, less, r)
		for _, v := range r.Verdicts {
			if v.Verdict == Unknown && !strings.Contains(v.Why, "cannot be seen") {
				t.Errorf("%+v claims too much", v)
			}
		}
	})
}

// withoutBoth is look where a dump has one family.
func withoutBoth(ctx context.Context, q query) (view, error) {
	diag := socket.NewDiag()
	diag.OneFamily = true
	return lookAt(ctx, q, diag, socket.ProcNet{Dir: "/proc/thread-self/net"})
}

func withoutDiag(ctx context.Context, q query) (view, error) {
	return lookAt(ctx, q, nil, socket.ProcNet{Dir: "/proc/thread-self/net"})
}

func withoutAnything(ctx context.Context, q query) (view, error) {
	return lookAt(ctx, q, nil, socket.ProcNet{Dir: "/nonexistent"})
}

// One family alone: dual-stack sockets count for either.
func TestCheckOneFamily(t *testing.T) {
	facts := openSockets(t)
	for _, c := range []struct {
		name string
		r    Request
		skip string // what is left out
	}{
		{"-4", Request{IPv4: true}, "ipv6"},
		{"-6", Request{IPv6: true}, "ipv4"},
	} {
		for source, from := range map[string]func(context.Context, query) (view, error){"sock_diag": look,
			"proc": withoutDiag} {
			r := ask(t, facts, c.r, from)
			for i, f := range facts {
				if source == "proc" {
					f = f.byProc()
				}
				want := Free
				if source == "proc" && f.port.Proto == probe.TCP {
					want = Unknown
				}
				for _, h := range f.holders {
					if h.Family != c.skip {
						want = f.verdict
					}
				}
				if f.verdict == Connected && f.holders == nil && c.skip == "ipv6" {
					want = Connected // in TIME_WAIT over IPv4
				}
				if got := r.Verdicts[i].Verdict; got != want {
					t.Errorf("%s from %s: %s is %s, want %s", c.name, source, f.port, got, want)
				}
			}
			other := map[string]string{"-4": "IPv6 not looked at (-4)", "-6": "IPv4 not looked at (-6)"}[c.name]
			if !slices.Contains(r.Coverage, other) || !slices.Contains(r.Coverage, "owners: not looked for") {
				t.Errorf("%s from %s: coverage %q", c.name, source, r.Coverage)
			}
		}
	}
}

// What cannot be read is unknown, never free.
func TestCheckUnreadable(t *testing.T) {
	facts := openSockets(t)
	for _, r := range []Request{{IPv4: true}, {IPv6: true}, {IPv4: true, IPv6: true, Owners: true}} {
		for _, v := range ask(t, facts, r, withoutAnything).Verdicts {
			if v.Verdict != Unknown || v.Error == "" || v.Why == "" || strings.Contains(v.Error, "\n") {
				t.Errorf("%+v: %+v", r, v)
			}
		}
	}
}

func TestCheckRefused(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	onmux := []probe.Port{{Number: 417, Proto: probe.TCP}}
	for name, c := range map[string]struct {
		ctx context.Context
		r   Request
	}{
		"no port":   {t.Context(), Request{IPv4: true}},
		"no family": {t.Context(), Request{Ports: onmux}},
		"port 0":    {t.Context(), Request{Ports: []probe.Port{{Proto: probe.TCP}}, IPv4: true}},
		"no proto":  {t.Context(), Request{Ports: []probe.Port{{Number: 1}}, IPv4: true}},
		"ended":     {ended, Request{Ports: onmux, IPv4: true, Owners: true}},
	} {
		if r, err := Check(c.ctx, c.r); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// Who gives up before the end knows nothing of any port.
func TestCheckTooLate(t *testing.T) {
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	ended, end := context.WithCancel(t.Context())
	end()
	ports := []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 417, Proto: probe.UDP}}
	for want, ctx := range map[string]context.Context{"the time ran out": late, "it was interrupted": ended} {
		r, err := checked(ctx, Request{Ports: ports, IPv4: true})
		if err == nil || len(r.Verdicts) != len(ports) {
			t.Fatalf("%+v, %v", r, err)
		}
		for i, v := range r.Verdicts {
			if v.Port != ports[i].Number || v.Proto != ports[i].Proto || v.Verdict != Unknown || v.Why != "could not look" ||
				v.Error != want {
				t.Errorf("%+v", v)
			}
		}
	}
}

// A port asked twice is answered twice and its sockets reported once.
func TestCheckTwice(t *testing.T) {
	facts := openSockets(t)[:1]
	r := ask(t, []fact{facts[0], facts[0]}, Request{IPv4: true, IPv6: true}, look)
	if len(r.Listeners) != 1 || !reflect.DeepEqual(r.Verdicts[0], r.Verdicts[1]) {
		t.Errorf("%+v", r)
	}
}

// However many sockets use a port, each counts once and few are kept.
func TestCheckCounts(t *testing.T) {
	nettest.Need(t)
	const stream, bindings, peers = unix.SOCK_STREAM, 300, socket.MaxPeers + 4
	reuse := nettest.Option(unix.SOL_SOCKET, unix.SO_REUSEADDR)
	for range bindings {
		nettest.Open(t, unix.AF_INET, stream, reuse, nettest.Bind("127.0.0.1", 4201))
	}
	for n := range uint16(peers) {
		nettest.Open(t, unix.AF_INET, stream, reuse, nettest.Bind("127.0.0.1", 4300+n), nettest.Listen(7))
		nettest.Open(t, unix.AF_INET, stream, reuse, nettest.Bind("127.0.0.1", 4202), nettest.Connect(4300+n))
	}
	facts := []fact{{port: probe.Port{Number: 4201, Proto: probe.TCP}}, {port: probe.Port{Number: 4202, Proto: probe.TCP}}}
	for n := uint16(5000); len(facts) < socket.ManyPorts+1; n++ {
		facts = append(facts, fact{port: probe.Port{Number: n, Proto: probe.TCP}})
	}
	for _, asked := range [][]fact{facts[:2], facts} {
		r := ask(t, asked, Request{IPv4: true, IPv6: true, Owners: true}, look)
		for i, want := range []string{
			fmt.Sprintf("127.0.0.1:4201 (%d sockets), but not listening", bindings),
			fmt.Sprintf("nothing listens; %d connections use the number, of ", peers),
		} {
			if got := r.Verdicts[i].Why; !strings.Contains(got, want) {
				t.Errorf("%q lacks %q", got, want)
			}
		}
		kept := make(map[Word]int)
		for _, l := range r.Listeners {
			kept[l.State]++
		}
		if kept[Bound] != bindings || kept[Connected] != socket.MaxPeers {
			t.Errorf("kept %v", kept)
		}
	}
}
