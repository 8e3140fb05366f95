package local

import (
	"math"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
)

// A kernel that tells sockets that are bound and do not listen is known by a
// dump that was made anyhow, whatever was asked; and nobody is told of our own.
func TestCanary(t *testing.T) {
	nettest.Need(t)
	ask := Query{ports: make(map[probe.Proto][]uint16), v4: true, v6: true}
	for n := 1024; n <= math.MaxUint16; n++ {
		ask.ports[probe.TCP] = append(ask.ports[probe.TCP], uint16(n))
	}
	few := Query{ports: map[probe.Proto][]uint16{probe.TCP: {417}}, v4: true, v6: true}
	truth, err := NewDiag().reportsBound(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []Query{few, ask} {
		for _, d := range []*sockDiag{NewDiag(), byFamily()} {
			c, err := d.Read(t.Context(), probe.TCP, q)
			if err != nil {
				t.Fatal(err)
			}
			if d.canary.heard != truth {
				t.Errorf("%d ports: heard %t, told %t", len(q.ports[probe.TCP]), d.canary.heard, truth)
			}
			for p, seen := range c {
				if seen.count[bound] > 0 {
					t.Errorf("%s: %+v", p, seen.told[bound])
				}
			}
		}
	}
}

// Both families in one dump are what each of them is in its own.
func TestBothFamilies(t *testing.T) {
	nettest.Need(t)
	const s4, s6, stream = unix.AF_INET, unix.AF_INET6, unix.SOCK_STREAM
	for n := range uint16(5) {
		nettest.Open(t, s4, stream, nettest.Bind("127.0.0.1", 4000+n), nettest.Listen(7))
		nettest.Open(t, s6, stream, nettest.Bind("::1", 4000+n), nettest.Listen(7))
		nettest.Open(t, s4, stream, nettest.Bind("127.0.0.1", 4100+n))
		nettest.Open(t, s4, stream, nettest.Connect(4000+n)) // and the end that waits for accept(2)
	}
	tell := func(families ...uint8) (sockets []socket) {
		d := NewDiag()
		for _, family := range families {
			if err := d.dump(t.Context(), probe.TCP, family, 0, allStates, nil, func(s socket) { sockets = append(sockets, s) }); err != nil {
				t.Fatal(err)
			}
		}
		slices.SortFunc(sockets, func(a, b socket) int { return int(int64(a.cookie) - int64(b.cookie)) })
		return slices.Compact(sockets)
	}
	one, two := tell(unix.AF_UNSPEC), tell(unix.AF_INET, unix.AF_INET6)
	if len(one) < 20 || !slices.Equal(one, two) {
		t.Errorf("%d sockets at once, %d one by one", len(one), len(two))
	}
}

// byFamily reads as from a kernel that does not list both families at once.
func byFamily() *sockDiag {
	d := NewDiag()
	d.apart = true
	return d
}
