package target

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"onmux/probe"
)

// addressSpace is a small address space on three number lines, in the order of a plan.
func addressSpace() (out []netip.Addr) {
	for i := range 600 {
		out = append(out, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	for _, zone := range []string{"", "a", "b"} {
		base := netip.MustParseAddr("fd00::fffe").As16()
		for range 100 { // crosses a byte
			a := netip.AddrFrom16(base)
			out = append(out, a.WithZone(zone))
			base = a.Next().As16()
		}
	}
	return out
}

// randomTargets names runs and single addresses of w, and returns which addresses
// those are.
func randomTargets(r *rand.Rand, w []netip.Addr, n int) (texts []string, in map[netip.Addr]bool) {
	in = map[netip.Addr]bool{}
	for range n {
		from := r.IntN(len(w))
		to := min(from+r.IntN(40), len(w)-1)
		if w[from].Is4() != w[to].Is4() || w[from].Zone() != w[to].Zone() || r.IntN(3) == 0 {
			to = from
		}
		text := w[from].String()
		if to > from {
			text += "-" + w[to].String()
		}
		texts = append(texts, text)
		for _, a := range w[from : to+1] {
			in[a] = true
		}
	}
	return texts, in
}

// A plan holds exactly what was named less what was excluded, in order, and
// Index undoes At, on random plans checked against a set.
func TestPlanIsTheSet(t *testing.T) {
	w := addressSpace()
	ports := []probe.Port{
		{Number: 417, Proto: probe.TCP},
		{Number: 417, Proto: probe.UDP},
		{Number: 1, Proto: probe.TCP},
		{Number: 65535, Proto: probe.UDP},
		{Number: 80, Proto: probe.TCP},
	}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 417))
		targets, in := randomTargets(r, w, 1+r.IntN(20))
		exclude, out := randomTargets(r, w, r.IntN(8))
		var want []netip.Addr
		for _, a := range w {
			if in[a] && !out[a] && !out[a.WithZone("")] {
				want = append(want, a)
			}
		}
		c := Config{Targets: targets, Exclude: exclude, Ports: ports[:1+r.IntN(len(ports))]}
		p, err := NewPlan(t.Context(), c)
		if len(want) == 0 {
			if err == nil {
				t.Fatalf("seed %d: %v less %v: want an error, got %s", seed, targets, exclude, shown(p))
			}
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		checkPlan(t, p, want, c.Ports)
		for _, a := range w {
			if _, found := p.Index(probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}); found != slices.Contains(want, a) {
				t.Fatalf("seed %d: Index(%s) found: %t", seed, a, found)
			}
		}
	}
}

func checkPlan(t *testing.T, p *Plan, addrs []netip.Addr, ports []probe.Port) {
	t.Helper()
	if p.AddrCount() != uint64(len(addrs)) || p.Len() != uint64(len(addrs)*len(ports)) || !slices.Equal(p.Ports(), ports) {
		t.Fatalf(
			"%d addresses, %d endpoints, ports %v; want %d addresses on %v",
			p.AddrCount(),
			p.Len(),
			p.Ports(),
			len(addrs),
			ports,
		)
	}
	for i := range p.Len() {
		port := ports[i/p.AddrCount()]
		want := probe.Endpoint{Addr: addrs[i%p.AddrCount()], Port: port.Number, Proto: port.Proto}
		if got := p.At(i); got != want {
			t.Fatalf("At(%d) = %s, want %s", i, got, want)
		}
		if got, ok := p.Index(want); !ok || got != i {
			t.Fatalf("Index(%s) = %d, %t, want %d", want, got, ok, i)
		}
		next := p.At(i + 1)
		same := next.Port == want.Port && next.Proto == want.Proto && next.Addr == want.Addr.Next()
		if n := p.Neighbors(i); n < 1 || same != (n > 1) || same && p.Neighbors(i+1) != n-1 {
			t.Fatalf("Neighbors(%d) = %d; the next endpoint is %s", i, n, next)
		}
	}
}

func TestPlanEdges(t *testing.T) {
	p, err := NewPlan(t.Context(), Config{Targets: []string{"0.0.0.0/0"}, Ports: onmuxTCP})
	if err != nil {
		t.Fatal(err)
	}
	last := probe.Endpoint{Addr: netip.MustParseAddr("223.255.255.255"), Port: 417, Proto: probe.TCP}
	if got := p.At(p.Len() - 1); got != last {
		t.Errorf("the last endpoint is %s, want %s", got, last)
	}
	if got := p.At(p.Len()); got != (probe.Endpoint{}) {
		t.Errorf("At beyond the end is %s", got)
	}
	for _, e := range []probe.Endpoint{{}, {Addr: last.Addr}, {Addr: last.Addr, Port: 417, Proto: probe.UDP},
		{Addr: last.Addr.Next(), Port: 417, Proto: probe.TCP},
		{Addr: netip.IPv6Loopback(), Port: 417, Proto: probe.TCP}} {
		if i, ok := p.Index(e); ok {
			t.Errorf("Index(%v) = %d", e, i)
		}
	}
	mapped := probe.Endpoint{Addr: netip.MustParseAddr("::ffff:223.255.255.255"), Port: 417, Proto: probe.TCP}
	if i, ok := p.Index(mapped); !ok || i != p.Len()-1 {
		t.Errorf("Index(%s) = %d, %t", mapped, i, ok)
	}
	full, err := NewPlan(t.Context(), Config{Targets: []string{"2001:db8::/96"}, Ports: onmuxTCP})
	if err != nil || full.Len() != MaxEndpoints {
		t.Errorf("a plan of exactly MaxEndpoints: %v", err)
	}
}

func TestPlanDoesNotAllocate(t *testing.T) {
	p, err := NewPlan(
		t.Context(),
		Config{Targets: []string{"10.0.0.0/8", "2001:db8::/112", "fe80::%eth0/112"}, Ports: onmuxTCP},
	)
	if err != nil {
		t.Fatal(err)
	}
	o := NewOrder(p.Len(), 1)
	i := uint64(0)
	if n := testing.AllocsPerRun(2000, func() {
		i = (i + 7919) % p.Len()
		e := p.At(p.Len() - 1 - i)
		if j, ok := p.Index(e); !ok || j != p.Len()-1-i || o.Position(o.Index(j)) != j {
			t.Fatalf("%s does not come back", e)
		}
	}); n != 0 {
		t.Errorf("a round trip allocates %.1f times", n)
	}
}

// Names are looked up a few at a time, each once, and the plan does not depend
// on which answer comes first.
func TestResolveIsBounded(t *testing.T) {
	var (
		mu           sync.Mutex
		now, most    int
		seen         = map[string]int{}
		targets      []string
		full, opened = make(chan struct{}), sync.Once{}
	)
	for i := range 40 {
		targets = append(targets, fmt.Sprintf("h%d.example", i%20))
	}
	p, err := NewPlan(t.Context(), Config{Targets: targets, Ports: onmuxTCP,
		Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			mu.Lock()
			now++
			most = max(most, now)
			seen[host]++
			if now == maxResolving {
				opened.Do(func() { close(full) })
			}
			mu.Unlock()
			<-full // until as many are under way as may be
			mu.Lock()
			now--
			mu.Unlock()
			var n byte
			fmt.Sscanf(host, "h%d", &n)
			return []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, n})}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if got := shown(p); got != "10.0.0.0-10.0.0.19" {
		t.Errorf("got %s", got)
	}
	if most != maxResolving || len(seen) != 20 {
		t.Errorf("%d lookups at once, %d names; want %d and 20", most, len(seen), maxResolving)
	}
	for host, n := range seen {
		if n != 1 {
			t.Errorf("%s was looked up %d times", host, n)
		}
	}
}

func TestSystemResolverKnowsLocalhost(t *testing.T) {
	p, err := NewPlan(t.Context(), Config{Targets: []string{"localhost"}, Ports: onmuxTCP})
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Len() {
		if a := p.At(i).Addr; !a.IsLoopback() || p.Host(a) != "localhost" {
			t.Errorf("localhost has %s, named %q", a, p.Host(a))
		}
	}
}

func TestIsUsage(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("bad"), true},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), false},
		{&ResolveError{Host: "h", Err: &net.DNSError{IsNotFound: true}}, true},
		{&ResolveError{Host: "h", Err: &net.DNSError{IsTimeout: true}}, false},
		{&ResolveError{Host: "h", Err: &net.DNSError{Err: "server misbehaving"}}, false},
		{&ResolveError{Host: "h", Err: errors.New("no nsswitch")}, false},
	} {
		if got := IsUsage(tt.err); got != tt.want {
			t.Errorf("IsUsage(%v) = %t", tt.err, got)
		}
	}
}

func TestOwnNetworks(t *testing.T) {
	own, err := OwnNetworks()
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	if len(own) != len(addrs) {
		t.Fatalf("%d networks of %d addresses", len(own), len(addrs))
	}
	for i, a := range addrs {
		if n := a.(*net.IPNet); !own[i].IsValid() || own[i] != own[i].Masked() ||
			!own[i].Contains(netip.MustParseAddr(n.IP.String())) {
			t.Errorf("%s became %s", a, own[i])
		}
	}
}

// Whatever a target holds, it is one line of error or a plan that comes back.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"10.0.0.0/24", "10.0.0.1-50", "10.0.0-3.1-254", "*.*.*.*", "10.0.0.1-10.0.1.20",
		"fe80::%eth0/120", "fe80::1%a-b-fe80::3",
		"2001:db8::/120", "::ffff:10.0.0.0/120", "::/0", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "localhost",
		"[::1]", "a.b.", "1-2-3", "10.0.0.1%0-9"} {
		f.Add(s, "")
		f.Add("0.0.0.0/0", s)
		f.Add("::/96", s)
	}
	f.Fuzz(func(t *testing.T, target, exclude string) {
		c := Config{Targets: []string{target}, Ports: onmuxTCP, Resolve: fakeDNS}
		if exclude != "" {
			c.Exclude = []string{exclude}
		}
		p, err := NewPlan(t.Context(), c)
		if err != nil {
			oneLine(t, err)
			return
		}
		for _, i := range []uint64{0, 1, p.Len() / 2, p.Len() - 1} {
			if i >= p.Len() {
				continue
			}
			e := p.At(i)
			if j, ok := p.Index(e); !ok || j != i {
				t.Errorf("%q less %q: At(%d) = %s, which has index %d, %t", target, exclude, i, e, j, ok)
			}
			again, err := NewPlan(t.Context(), Config{Targets: []string{e.Addr.String()}, Ports: onmuxTCP})
			if err != nil || again.Len() != 1 || again.At(0) != e {
				t.Errorf("%s named by itself: %v", e.Addr, err)
			}
		}
	})
}

func oneLine(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	if len(text) > 2000 {
		t.Errorf("an error of %d bytes: %.100s…", len(text), text)
	}
	for _, r := range text {
		if r < ' ' || r == 0x7f {
			t.Fatalf("an error with a control character: %q", text)
		}
	}
}

func benchPlan(b *testing.B, spans int) *Plan {
	var targets []string
	for i := range spans {
		targets = append(targets, fmt.Sprintf("10.%d.%d.0/25", i>>8, i&255))
	}
	p, err := NewPlan(b.Context(), Config{Targets: targets, Ports: onmuxTCP})
	if err != nil {
		b.Fatal(err)
	}
	if countRuns(&p.addrSpace) != spans {
		b.Fatalf("%d spans", countRuns(&p.addrSpace))
	}
	return p
}

func BenchmarkPlan(b *testing.B) {
	for _, spans := range []int{1, 10_000} {
		p := benchPlan(b, spans)
		o := NewOrder(p.Len(), 417)
		var random [4096]uint64
		var ends [4096]probe.Endpoint
		for i := range random {
			random[i] = o.Index(uint64(i) % p.Len())
			ends[i] = p.At(random[i])
		}
		b.Run(fmt.Sprintf("At/%d", spans), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p.At(random[i&4095])
			}
		})
		b.Run(fmt.Sprintf("Index/%d", spans), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p.Index(ends[i&4095])
			}
		})
	}
}

func BenchmarkNewPlan(b *testing.B) {
	var singles []string
	for i := range uint64(100_000) {
		a := scramble(i)
		singles = append(singles, netip.AddrFrom4([4]byte{10, byte(a >> 16), byte(a >> 8), byte(a)}).String())
	}
	for _, bb := range []struct {
		name    string
		targets []string
	}{{"100k-addresses", singles}, {"everything", []string{"0.0.0.0/0"}}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := NewPlan(b.Context(), Config{Targets: bb.targets, Ports: onmuxTCP}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
