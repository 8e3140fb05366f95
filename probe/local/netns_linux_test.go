package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
)

// abroadFacts is the truth about sockets here and in two other namespaces.
func abroadFacts(t testing.TB, blue, green string) []fact {
	const s4, s6, stream, dgram = unix.AF_INET, unix.AF_INET6, unix.SOCK_STREAM, unix.SOCK_DGRAM
	only6 := nettest.Option(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	blueFile, greenFile := blue, green
	blue, green = nameOf(t, blue), nameOf(t, green)
	port := func(n uint16) probe.Port { return probe.Port{Number: n, Proto: probe.TCP} }
	there := func(l Listener, name string) Listener {
		l.NetNS = name
		return l
	}
	any4, dual, any6 := holds(Listening, "0.0.0.0", "ipv4", "any"), holds(Listening, "::", "dual", "any"), holds(Listening, "::", "ipv6", "any")

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
		{port(4501), Elsewhere, []Listener{there(any4, blue)}, "no socket in this network namespace uses 4501/tcp; in network namespace " + blue + ": "},
		{port(4502), Elsewhere, []Listener{there(dual, blue)}, " on [::]:4502, every address of that namespace"},
		{port(4503), Elsewhere, []Listener{there(any6, blue)}, " on [::]:4503 (IPv6 only), every address of that namespace"},
		{port(4504), Elsewhere, []Listener{there(holds(Bound, "0.0.0.0", "ipv4", "any"), blue)}, " on 0.0.0.0:4504, not listening"},
		{port(4505), Elsewhere, []Listener{there(any4, names[0]), there(any4, names[1])}, "; in network namespace " + names[1] + ": "},
		{port(4506), Listening, []Listener{there(any4, host), there(any4, green)}, ", reachable from any address; also in 1 other network namespace (" + green + ")"},
		{port(4507), Elsewhere, []Listener{there(holds(Connected, "127.0.0.1", "ipv4", "loopback"), host), there(any4, green)}, "; in network namespace " + green},
		{port(4508), Free, nil, "no socket in this network namespace uses 4508/tcp"},
		{probe.Port{Number: 4501, Proto: probe.UDP}, Elsewhere, []Listener{there(any4, blue)}, " on 0.0.0.0:4501, every address of that namespace"},
		{probe.Port{Number: 4502, Proto: probe.UDP}, Elsewhere, []Listener{there(dual, green)}, " on [::]:4502, every address of that namespace"},
	}
}

func nameOf(t testing.TB, file string) string {
	t.Helper()
	inode, err := inodeAt(file)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("net:[%d]", inode)
}

// compareAbroad holds a report against the facts. Where names of namespaces are
// not told, any will do.
func compareAbroad(t *testing.T, facts []fact, r Report, named bool) {
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
			if !named && got[i].NetNS != host && i < len(want) {
				got[i].NetNS = want[i].NetNS
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: held by\n%+v, want\n%+v", f.port, got, want)
		}
	}
}

// Sockets in other namespaces are found, named and told apart from the caller's,
// by root and by a stranger who may not enter them.
func TestAbroad(t *testing.T) {
	blue := nettest.NewNamespace(t)
	green := nettest.NewNamespace(t)
	facts := abroadFacts(t, blue, green)
	t.Run("inside", func(t *testing.T) {
		r := ask(t, facts, Request{IPv4: true, IPv6: true, Owners: true}, look)
		compareAbroad(t, facts, r, true)
		for _, l := range r.Listeners {
			if len(l.Owners) != 1 || l.Owners[0].PID != os.Getpid() || l.Proto == probe.TCP && l.State == Listening && l.Backlog == nil {
				t.Errorf("%+v", l)
			}
		}
		if want := "other network namespaces: 2 looked at, found by the processes that can be seen here and the names in /run/netns and /run/docker/netns; one that neither has is not found"; !slices.Contains(r.Coverage, want) && os.Getpid() == 1 {
			t.Errorf("coverage %q", r.Coverage)
		}
	})
	t.Run("stranger", func(t *testing.T) {
		for i, f := range facts {
			if facts[i] = f.untold(); f.verdict == Free || len(f.holders) > 0 && f.holders[0].State == Bound {
				facts[i] = fact{port: f.port, verdict: Free}
			}
		}
		r := as(t, "stranger", facts)
		for i := range r.Listeners { // the caller's own are told by sock_diag
			if r.Listeners[i].NetNS == host && r.Listeners[i].Address.Is6() {
				r.Listeners[i].Family = ""
			}
		}
		compareAbroad(t, facts, r, false)
		if said := strings.Join(r.Coverage, "\n"); !strings.Contains(said, "2 of them through /proc/net") && os.Getpid() == 1 {
			t.Errorf("coverage %q", r.Coverage)
		}
	})
	t.Run("all", func(t *testing.T) {
		r, err := Check(t.Context(), Request{All: []probe.Proto{probe.UDP}, IPv4: true, IPv6: true})
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

// moor binds a namespace to a name in a directory.
func moor(t testing.TB, namespace, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(namespace, file, "", unix.MS_BIND, ""); err != nil {
		t.Skip("cannot bind a namespace to a name: ", err)
	}
	t.Cleanup(func() { unix.Unmount(file, unix.MNT_DETACH) })
}

// lookNear is look with other directories of names.
func lookNear(dirs ...string) func(context.Context, query) (view, error) {
	return func(ctx context.Context, q query) (view, error) {
		v, err := lookAt(ctx, q, NewDiag(), procNet{"/proc/thread-self/net"})
		if err == nil {
			v.abroad, err = machine().abroad(ctx, q.Query, false, dirs)
		}
		return v, err
	}
}

// Namespaces go by the names that somebody gave them, also those that have no
// process; what is no namespace, or the caller's own, counts for nothing.
func TestAbroadNamed(t *testing.T) {
	nettest.Need(t)
	dir := t.TempDir()
	blue := nettest.NewNamespace(t)
	moor(t, blue, filepath.Join(dir, "blue"))
	host := nettest.NewNamespace(t)
	hostNet := nameOf(t, host)
	moor(t, host, filepath.Join(dir, "host"))
	nettest.OnThread(func() {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		moor(t, "/proc/thread-self/ns/net", filepath.Join(dir, "empty"))
	})
	moor(t, "/proc/thread-self/ns/net", filepath.Join(dir, "ours"))
	moor(t, "/proc/thread-self/ns/uts", filepath.Join(dir, "uts"))
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "left"), nil, 0), unix.Mkfifo(filepath.Join(dir, "pipe"), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{blue, host, filepath.Join(dir, "empty")} {
		nettest.OpenIn(t, file, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("0.0.0.0", 4530), nettest.Listen(7))
	}
	asked := []fact{{port: probe.Port{Number: 4530, Proto: probe.TCP}}}
	r := ask(t, asked, Request{IPv4: true, IPv6: true}, lookNear(dir, "/nonexistent", dir))
	var names []string
	for _, l := range r.Listeners {
		names = append(names, l.NetNS)
	}
	if want := []string{"blue", "empty", "host " + hostNet}; !slices.Equal(names, want) || r.Verdicts[0].Verdict != Elsewhere {
		t.Errorf("%q, want %q; %+v", names, want, r.Verdicts)
	}
	if said := strings.Join(r.Coverage, "\n"); !strings.Contains(said, "other network namespaces: 3 looked at") && os.Getpid() == 1 || strings.Contains(said, "not entered") {
		t.Errorf("coverage %q", r.Coverage)
	}
}

// What a search leaves behind: the process's first thread where it was, and no
// namespace entered by anybody else.
func TestVisitLeavesNothing(t *testing.T) {
	blue := nettest.NewNamespace(t)
	before, err := inodeAt("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	visit(t.Context(), 64, func(_ *sockDiag, i int) {
		if unix.Gettid() == os.Getpid() {
			t.Error("a visit on the first thread")
		}
		if err := enter(blue); err != nil {
			t.Error(err)
		}
	})
	for range 64 {
		done := make(chan uint64)
		go func() {
			inode, _ := inodeAt("/proc/thread-self/ns/net")
			done <- inode
		}()
		if inode := <-done; inode != before {
			t.Fatal("a goroutine runs in another namespace")
		}
	}
	if after, _ := inodeAt("/proc/self/ns/net"); after != before {
		t.Error("the first thread is in another namespace")
	}
}

func TestAbroadCancelled(t *testing.T) {
	nettest.NewNamespace(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := lookAbroad(ctx, Query{ports: map[probe.Proto][]uint16{probe.TCP: {417}}, v4: true}, false); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A namespace that went away, or whose process did and left its pid to one of
// another, is neither told nor an error.
func TestAbroadGone(t *testing.T) {
	blue := nettest.NewNamespace(t)
	nettest.OpenIn(t, blue, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("0.0.0.0", 4540), nettest.Listen(7))
	w, err := machine().explore(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	inode, _ := inodeAt(blue)
	pid, _ := strconv.Atoi(strings.Split(blue, "/")[2])
	var there sign
	for s, r := range w.realms {
		if r.inode == inode {
			there = s
		}
	}
	ended := nettest.Process{Steps: "inherit"}.Start(t)
	ended.Process.Kill()
	ended.Wait()
	q := Query{ports: map[probe.Proto][]uint16{probe.TCP: {4540}}, v4: true}
	for name, c := range map[string]struct {
		r    realm
		gone bool
	}{
		"there":             {realm{sign: there, pids: []int{pid}}, false},
		"one of two":        {realm{sign: there, pids: []int{ended.Process.Pid, pid}}, false},
		"ended":             {realm{sign: there, pids: []int{ended.Process.Pid}}, true},
		"another namespace": {realm{sign: there, pids: []int{os.Getpid()}}, true},
		"a name":            {realm{sign: there, file: "/nonexistent"}, true},
	} {
		visit(t.Context(), 1, func(diag *sockDiag, _ int) { w.read(t.Context(), q, false, diag, &c.r) })
		if c.r.gone != c.gone || c.r.err != nil || (c.r.census == nil) != c.gone {
			t.Errorf("%s: %+v", name, c.r)
		}
	}
}

func BenchmarkAbroad(b *testing.B) {
	q := Query{ports: map[probe.Proto][]uint16{probe.TCP: {417}, probe.UDP: {417}}, v4: true, v6: true}
	b.Run("5000 processes", func(b *testing.B) {
		p := crowdOf(b, 5000, false)
		for b.Loop() {
			if a, err := p.abroad(b.Context(), q, false, nil); err != nil || len(a.spaces) != 0 {
				b.Fatal(a, err)
			}
		}
	})
	b.Run("20 namespaces", func(b *testing.B) {
		for range 20 {
			nettest.NewNamespace(b)
		}
		for b.Loop() {
			if a, err := lookAbroad(b.Context(), q, false); err != nil || a.coverage.Incomplete() {
				b.Fatal(a, err)
			}
		}
	})
}
