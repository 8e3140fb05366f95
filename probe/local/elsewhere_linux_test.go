package local_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/netns"
	"onmux/probe/nettest"
)

// namespaceFacts is the truth about sockets here and in two other namespaces.
func namespaceFacts(t testing.TB, blue, green string) []fact {
	const s4, s6, stream, dgram = unix.AF_INET, unix.AF_INET6, unix.SOCK_STREAM, unix.SOCK_DGRAM
	only6 := nettest.Option(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	blueFile, greenFile := blue, green
	blue, green = nameOf(t, blue), nameOf(t, green)
	port := func(n uint16) probe.Port { return probe.Port{Number: n, Proto: probe.TCP} }
	there := func(l Listener, name string) Listener {
		l.NetNS = name
		return l
	}
	any4, dual, any6 := holds(Listening, "0.0.0.0", "ipv4", "any"), holds(Listening, "::", "dual", "any"),
		holds(Listening, "::", "ipv6", "any")

	nettest.OpenIn(t, blueFile, s4, stream, nettest.Bind("0.0.0.0", 4501), nettest.Listen(7))
	nettest.OpenIn(t, blueFile, s6, stream, nettest.Bind("::", 4502), nettest.Listen(7))
	nettest.OpenIn(t, blueFile, s6, stream, only6, nettest.Bind("::", 4503), nettest.Listen(7))
	nettest.OpenIn(t, blueFile, s4, stream, nettest.Bind("0.0.0.0", 4504))
	nettest.OpenIn(t, blueFile, s4, dgram, nettest.Bind("0.0.0.0", 4501))
	nettest.OpenIn(t, greenFile, s6, dgram, nettest.Bind("::", 4502))
	for _, file := range []string{blueFile, greenFile} {
		nettest.OpenIn(t, file, s4, stream, nettest.Bind("0.0.0.0", 4505), nettest.Listen(7))
	}
	nettest.Open(t, s4, stream, nettest.Bind("0.0.0.0", 4506), nettest.Listen(7))
	nettest.OpenIn(t, greenFile, s4, stream, nettest.Bind("0.0.0.0", 4506), nettest.Listen(7))
	nettest.Open(t, s4, stream, nettest.Bind("127.0.0.1", 4520), nettest.Listen(7))
	nettest.Open(t, s4, stream, nettest.Bind("127.0.0.1", 4507), nettest.Connect(4520))
	nettest.OpenIn(t, greenFile, s4, stream, nettest.Bind("0.0.0.0", 4507), nettest.Listen(7))

	names := []string{blue, green}
	slices.Sort(names)
	return []fact{
		{port(4501), Elsewhere, []Listener{there(any4, blue)},
			"in use in network namespace " + blue + ": "},
		{port(4502), Elsewhere, []Listener{there(dual, blue)}, " on [::]:4502, every address of that namespace"},
		{port(4503), Elsewhere, []Listener{there(any6, blue)}, " on [::]:4503 (IPv6 only), every address of that namespace"},
		{port(4504), Elsewhere, []Listener{there(holds(Bound, "0.0.0.0", "ipv4", "any"), blue)},
			" on 0.0.0.0:4504, not listening"},
		{port(4505), Elsewhere, []Listener{there(any4, names[0]), there(any4, names[1])},
			"; in network namespace " + names[1] + ": "},
		{port(4506), Listening, []Listener{there(any4, netns.Host), there(any4, green)},
			", reachable from any address; also in 1 other network namespace (" + green + ")"},
		{port(4507), Elsewhere,
			[]Listener{there(holds(Connected, "127.0.0.1", "ipv4", "loopback"), netns.Host), there(any4, green)},
			"in use in network namespace " + green + ": "},
		{port(4508), Free, nil, "no socket in this network namespace uses 4508/tcp"},
		{probe.Port{Number: 4501, Proto: probe.UDP}, Elsewhere, []Listener{there(any4, blue)},
			" on 0.0.0.0:4501, every address of that namespace"},
		{probe.Port{Number: 4502, Proto: probe.UDP}, Elsewhere, []Listener{there(dual, green)},
			" on [::]:4502, every address of that namespace"},
	}
}

func nameOf(t testing.TB, file string) string {
	t.Helper()
	name, err := os.Readlink(file) // "net:[4026532177]"
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// compareNamespaces holds a report against the facts. Where names of namespaces are
// not known, any will do.
func compareNamespaces(t *testing.T, facts []fact, r completed, named bool) {
	t.Helper()
	for i, f := range facts {
		v := r.Verdicts[i]
		if v.Verdict != f.verdict || v.Error != "" || named && !strings.Contains(v.Why, f.why) {
			t.Errorf("%s: %+v, want %s and %q", f.port, v, f.verdict, f.why)
		}
		var got []Listener
		for _, l := range r.Listeners {
			if l.Port == f.port.Number && l.Proto == f.port.Proto {
				got = append(got, Listener{Address: l.Address, Family: l.Family, State: l.State, Reach: l.Reach, NetNS: l.NetNS})
			}
		}
		want := slices.Clone(f.holders)
		for i := range got {
			if !named && got[i].NetNS != netns.Host && i < len(want) {
				got[i].NetNS = want[i].NetNS
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: held by\n%+v, want\n%+v", f.port, got, want)
		}
	}
}

// Sockets in other namespaces are found, named and distinguished from the caller's,
// by root and by a user who may not enter them.
func TestOtherNamespaces(t *testing.T) {
	blue := nettest.NewNamespace(t)
	green := nettest.NewNamespace(t)
	facts := namespaceFacts(t, blue, green)
	t.Run("inside", func(t *testing.T) {
		r := ask(t, facts, Request{IPv4: true, IPv6: true, Owners: true}, look)
		compareNamespaces(t, facts, r, true)
		for _, l := range r.Listeners {
			if len(l.Owners) != 1 || l.Owners[0].PID != os.Getpid() || l.Proto == probe.TCP && l.State == Listening &&
				l.Backlog == nil {
				t.Errorf("%+v", l)
			}
		}
		const want = "other network namespaces: 2 looked at, found by the processes that can be seen here and the names in " +
			"/run/netns and /run/docker/netns; one that neither has is not found"
		if !slices.Contains(r.Coverage, want) && os.Getpid() == 1 {
			t.Errorf("coverage %q", r.Coverage)
		}
	})
	t.Run("unprivileged", func(t *testing.T) {
		for i, f := range facts {
			if facts[i] = f.byProc(); f.verdict == Free || len(f.holders) > 0 && f.holders[0].State == Bound {
				facts[i] = fact{port: f.port, verdict: Free}
			}
		}
		r := as(t, "unprivileged", facts)
		for i := range r.Listeners { // the caller's own are from sock_diag
			if r.Listeners[i].NetNS == netns.Host && r.Listeners[i].Address.Is6() {
				r.Listeners[i].Family = ""
			}
		}
		compareNamespaces(t, facts, r, false)
		if all := strings.Join(r.Coverage, "\n"); !strings.Contains(all, "2 of them through /proc/net") &&
			os.Getpid() == 1 {
			t.Errorf("coverage %q", r.Coverage)
		}
	})
	t.Run("all", func(t *testing.T) {
		r, err := checked(t.Context(), Request{All: []probe.Proto{probe.UDP}, IPv4: true, IPv6: true})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range r.Verdicts {
			got = append(got, fmt.Sprint(v.Port, " ", v.Verdict))
		}
		if want := []string{"4501 elsewhere", "4502 elsewhere"}; !slices.Equal(got, want) && os.Getpid() == 1 {
			t.Errorf("found %q, want %q", got, want)
		}
	})
	t.Run("-6", func(t *testing.T) {
		r := ask(t, facts[:1], Request{IPv6: true}, look)
		if r.Verdicts[0].Verdict != Free || len(r.Listeners) != 0 {
			t.Errorf("%+v", r)
		}
	})
}
