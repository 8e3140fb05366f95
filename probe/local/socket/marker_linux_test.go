package socket

import (
	"math"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
)

// A kernel that lists sockets that are bound and do not listen is known by a
// dump that was made anyhow, whatever was asked; and our own is not reported.
func TestMarker(t *testing.T) {
	nettest.Need(t)
	ask := Query{Ports: make(map[probe.Proto][]uint16), IPv4: true, IPv6: true}
	for n := 1024; n <= math.MaxUint16; n++ {
		ask.Ports[probe.TCP] = append(ask.Ports[probe.TCP], uint16(n))
	}
	few := Query{Ports: map[probe.Proto][]uint16{probe.TCP: {417}}, IPv4: true, IPv6: true}
	truth, err := NewDiag().listsBound(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []Query{few, ask} {
		for _, d := range []*Diag{NewDiag(), byFamily()} {
			c, err := d.Read(t.Context(), probe.TCP, q)
			if err != nil {
				t.Fatal(err)
			}
			if d.marker.found != truth {
				t.Errorf("%d ports: found %t, want %t", len(q.Ports[probe.TCP]), d.marker.found, truth)
			}
			for p, seen := range c {
				if seen.Count[Bound] > 0 {
					t.Errorf("%s: %+v", p, seen.Sockets[Bound])
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
	list := func(families ...uint8) (sockets []Socket) {
		d := NewDiag()
		for _, family := range families {
			ask := dumpRequest{proto: probe.TCP, family: family, states: AllStates}
			if err := d.dump(t.Context(), ask, nil,
				func(s Socket) { sockets = append(sockets, s) }); err != nil {
				t.Fatal(err)
			}
		}
		slices.SortFunc(sockets, func(a, b Socket) int { return int(int64(a.cookie) - int64(b.cookie)) })
		return slices.Compact(sockets)
	}
	one, two := list(unix.AF_UNSPEC), list(unix.AF_INET, unix.AF_INET6)
	if len(one) < 20 || !slices.Equal(one, two) {
		t.Errorf("%d sockets at once, %d one by one", len(one), len(two))
	}
}

// byFamily reads as from a kernel that does not list both families at once.
func byFamily() *Diag {
	d := NewDiag()
	d.OneFamily = true
	return d
}
