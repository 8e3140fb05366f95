package local

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/ports"
)

// A kernel that tells sockets that are bound and do not listen is known by a
// dump that was made anyhow, whatever was asked; and nobody is told of our own.
func TestCanary(t *testing.T) {
	nettest.Need(t)
	s := ports.ReadSettings()
	if s.Ephemeral == nil {
		t.Fatal("where connections leave from is not known")
	}
	ask := Query{ports: make(map[probe.Proto][]uint16), v4: true, v6: true}
	for n := int(s.Ephemeral.First); n <= int(s.Ephemeral.Last); n++ {
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
	scene(t)
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

// Where nobody asks for more than words, nothing is read that cannot change one.
func TestWords(t *testing.T) {
	scene(t)
	const settled = "other network namespaces and NAT rules: not looked at, because something listens on every port"
	for name, c := range map[string]struct {
		r     Request
		want  []Word
		brief bool
	}{
		"all listen":    {Request{Words: true, Ports: []probe.Port{{Number: 4001, Proto: probe.TCP}, {Number: 4001, Proto: probe.UDP}}}, []Word{Listening, Listening}, true},
		"one does not":  {Request{Words: true, Ports: []probe.Port{{Number: 4001, Proto: probe.TCP}, {Number: 4008, Proto: probe.TCP}}}, []Word{Listening, Bound}, false},
		"one is free":   {Request{Words: true, Ports: []probe.Port{{Number: 4001, Proto: probe.TCP}, {Number: 4015, Proto: probe.TCP}}}, []Word{Listening, Free}, false},
		"more is asked": {Request{Ports: []probe.Port{{Number: 4001, Proto: probe.TCP}}}, []Word{Listening}, false},
	} {
		c.r.IPv4, c.r.IPv6 = true, true
		r, err := Check(t.Context(), c.r)
		if err != nil {
			t.Fatal(err)
		}
		var words []Word
		for _, v := range r.Verdicts {
			words = append(words, v.Verdict)
		}
		if !slices.Equal(words, c.want) || slices.Contains(r.Coverage, settled) != c.brief {
			t.Errorf("%s: %q, %q", name, words, r.Coverage)
		}
	}
}
