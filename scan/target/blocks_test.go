package target

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/scan/files"
	"onmux/scan/varint"
)

// endpoints lists those of a plan, "10.0.0.1:80/tcp 10.0.0.1:443/tcp", in their order.
func endpoints(p *Plan) string {
	var out []string
	for i := range p.Len() {
		out = append(out, p.At(i).String())
	}
	return strings.Join(out, " ")
}

func TestTargetsWithPorts(t *testing.T) {
	tcp := []probe.Proto{probe.TCP}
	for _, tt := range []struct{ targets, exclude, want string }{
		{"10.0.0.1:80", "", "10.0.0.1:80/tcp"},
		{"10.0.0.1:80/udp 10.0.0.1", "", "10.0.0.1:80/udp 10.0.0.1:417/tcp"},
		{"10.0.0.1:80 10.0.0.1:80/tcp 10.0.0.1:http", "", "10.0.0.1:80/tcp"},
		{"10.0.0.1:80 10.0.0.2:80", "", "10.0.0.1:80/tcp 10.0.0.2:80/tcp"},
		{"10.0.0.1:80 10.0.0.2", "", "10.0.0.1:80/tcp 10.0.0.2:417/tcp"},
		{"10.0.0.0/30 10.0.0.1:80", "",
			"10.0.0.0:417/tcp 10.0.0.2:417/tcp 10.0.0.3:417/tcp 10.0.0.1:417/tcp 10.0.0.1:80/tcp"},
		{"10.0.0.0/31:80-81", "10.0.0.1", "10.0.0.0:80/tcp 10.0.0.0:81/tcp"},
		{"[::1]:80 https://[::1]/x", "", "[::1]:80/tcp [::1]:443/tcp"},
		{"https://one.example/ dual.example:22", "", "192.0.2.1:443/tcp 192.0.2.7:22/tcp [2001:db8::7]:22/tcp"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80", "",
			"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:417/tcp [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80/tcp"},
	} {
		p, err := NewPlan(t.Context(), Config{Targets: strings.Fields(tt.targets), Exclude: strings.Fields(tt.exclude),
			Ports: onmuxTCP, Protos: tcp, Resolve: fakeDNS})
		if err != nil {
			t.Errorf("%s: %v", tt.targets, err)
		} else if got := endpoints(p); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.targets, got, tt.want)
		}
	}
}

// TestHostsOfEndpoints: every name that leads to an endpoint is known, with its ports.
func TestHostsOfEndpoints(t *testing.T) {
	same := func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1})}, nil
	}
	p, err := NewPlan(t.Context(), Config{Targets: strings.Fields("b a c:80 a:80 192.0.2.1:22 b https://d"),
		Ports: onmuxTCP, Protos: []probe.Proto{probe.TCP}, Resolve: same})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var got []string
		for i := range p.Len() {
			e := p.At(i)
			got = append(got, fmt.Sprintf("%d %s", e.Port, strings.Join(p.Hosts(e), ",")))
		}
		slices.Sort(got)
		if text := strings.Join(got, "; "); text != "22 ; 417 b,a; 443 d; 80 a,c" && text != "22 ; 417 b,a; 443 d; 80 c,a" {
			t.Errorf("got %s", text)
		}
		p = again(t, p)
	}
}

// again is a plan that was written and read.
func again(t *testing.T, p *Plan) *Plan {
	t.Helper()
	var text bytes.Buffer
	w := bufio.NewWriter(&text)
	p.Encode(varint.Writer{Writer: w})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	r := varint.NewReader(&text, errors.New("not a plan"))
	got := Decode(r, MaxEndpoints)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return got
}

// TestBlocksAreTheSet: a plan whose targets have ports of their own holds exactly what was
// named less what was excluded, each once, on random plans checked against a set.
func TestBlocksAreTheSet(t *testing.T) {
	w := addressSpace()
	specs := []string{"", ":80/tcp", ":80-84/tcp", ":53/udp", ":80,53/udp", ":417/tcp", ":1-2"}
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 3))
		want := map[probe.Endpoint]bool{}
		var texts []string
		for range 1 + r.IntN(6) {
			spec := specs[r.IntN(len(specs))]
			named, in := randomTargets(r, w, 1+r.IntN(5))
			on := onmuxTCP
			if spec != "" {
				on = portsOf(t, spec[1:])
			}
			for _, text := range named {
				if spec != "" && strings.Contains(text, ":") {
					text = "[" + text + "]"
				}
				texts = append(texts, text+spec)
			}
			for a := range in {
				for _, p := range on {
					want[probe.Endpoint{Addr: a, Port: p.Number, Proto: p.Proto}] = true
				}
			}
		}
		exclude, out := randomTargets(r, w, r.IntN(4))
		for e := range want {
			if out[e.Addr] || out[e.Addr.WithZone("")] {
				delete(want, e)
			}
		}
		p, err := NewPlan(t.Context(), Config{Targets: texts, Exclude: exclude, Ports: onmuxTCP})
		if len(want) == 0 {
			if err == nil {
				t.Fatalf("seed %d: %v less %v: want an error", seed, texts, exclude)
			}
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		checkBlocks(t, p, want)
		read := again(t, p)
		checkBlocks(t, read, want)
		if d := p.Difference(read); d != "" || p.Fingerprint() != read.Fingerprint() {
			t.Fatalf("seed %d: %q after it was written and read", seed, d)
		}
	}
}

func checkBlocks(t *testing.T, p *Plan, want map[probe.Endpoint]bool) {
	t.Helper()
	if p.Len() != uint64(len(want)) {
		t.Fatalf("%d endpoints, want %d", p.Len(), len(want))
	}
	addrs := map[netip.Addr]bool{}
	for i := range p.Len() {
		e := p.At(i)
		addrs[e.Addr] = true
		if !want[e] {
			t.Fatalf("At(%d) = %s is not wanted", i, e)
		}
		if got, ok := p.Index(e); !ok || got != i {
			t.Fatalf("Index(%s) = %d, %t, want %d", e, got, ok, i)
		}
		if port := p.Ports()[p.PortOf(i)]; port != (probe.Port{Number: e.Port, Proto: e.Proto}) {
			t.Fatalf("PortOf(%d) is %s, not that of %s", i, port, e)
		}
		next := p.At(i + 1)
		same := next.Port == e.Port && next.Proto == e.Proto && next.Addr == e.Addr.Next()
		// Behind the last of a block, the first of the next one may happen to be adjacent.
		if n := p.Neighbors(i); n < 1 || n > 1 && (!same || p.Neighbors(i+1) != n-1) {
			t.Fatalf("Neighbors(%d) = %d; the next endpoint is %s", i, n, next)
		}
	}
	if p.AddrCount() != uint64(len(addrs)) {
		t.Fatalf("%d addresses, want %d", p.AddrCount(), len(addrs))
	}
	seen := map[uint64]bool{}
	for s := range p.Sections(0, p.AddrCount()) {
		for i := s.From; i < s.To; i++ {
			if e := p.At(i); seen[i] || e.Port != s.Port.Number || e.Proto != s.Port.Proto {
				t.Fatalf("section %v has %d, %s", s, i, e)
			}
			seen[i] = true
		}
	}
	if len(seen) != len(want) {
		t.Fatalf("sections have %d endpoints of %d", len(seen), len(want))
	}
	for _, proto := range probe.Protos() {
		perAddr, most := map[netip.Addr]int{}, 0
		for e := range want {
			if e.Proto == proto {
				perAddr[e.Addr]++
				most = max(most, perAddr[e.Addr])
			}
		}
		if got := p.MostPorts(proto); got != most {
			t.Fatalf("MostPorts(%s) = %d, want %d", proto, got, most)
		}
	}
}

func portsOf(t *testing.T, spec string) []probe.Port {
	t.Helper()
	r := reader{in: new(files.Inputs)}
	space, err := r.portsOf(spec, spec)
	if err != nil {
		t.Fatal(err)
	}
	return space.ports
}
