package compare_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"onmux/probe"
	. "onmux/report/compare"
	. "onmux/report/record"
	. "onmux/report/reporttest"
	"onmux/scan"
)

func part(t testing.TB, name string, s Stream, shard, shards int) *Part {
	t.Helper()
	p := &Part{Name: name}
	if shards > 0 {
		s.Started.Plan = &Plan{Fingerprint: "f", Endpoints: s.Ended.Summary.Targets, Seed: "7", Shard: shard,
			Shards: shards}
	}
	s.Replay(t, p)
	return p
}

// statesOf is what a stream has of each endpoint.
func statesOf(t testing.TB, findings []Finding) map[probe.Endpoint]probe.State {
	t.Helper()
	out := make(map[probe.Endpoint]probe.State)
	add := func(e probe.Endpoint, s probe.State) {
		if _, twice := out[e]; twice {
			t.Fatalf("%s is there twice", e)
		}
		out[e] = s
	}
	for _, f := range findings {
		switch f := f.(type) {
		case probe.Result:
			add(f.Endpoint, f.State)
		case scan.Range:
			a := f.First
			for range f.Count {
				add(probe.Endpoint{Addr: a, Port: f.Port, Proto: f.Proto}, f.State)
				a = a.Next()
			}
		}
	}
	return out
}

// TestMergeIsTheWhole: whatever endpoints each shard had, together they have
// what one scan would have, in as few records.
func TestMergeIsTheWhole(t *testing.T) {
	dice := rand.New(rand.NewPCG(4, 17))
	choice := []probe.State{probe.Open, probe.Closed, probe.Filtered}
	for range 500 {
		n, shards := 1+dice.IntN(40), 1+dice.IntN(5)
		all := make([]probe.State, n)
		split := make([][]probe.State, shards)
		for s := range split {
			split[s] = slices.Repeat([]probe.State{absent}, n)
		}
		for i := range all {
			all[i] = choice[dice.IntN(3)]
			split[dice.IntN(shards)][i] = all[i]
		}
		var parts []*Part
		for s := range split {
			one := network(dice, split[s])
			one.Ended.Summary.Targets = uint64(n)
			parts = append(parts, part(t, fmt.Sprint("part", s+1), one, s+1, shards))
		}
		dice.Shuffle(shards, func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		m, err := Merge(parts)
		if err != nil {
			t.Fatal(err)
		}
		var got []Finding
		m.Write(func(f Finding) error { got = append(got, f); return nil })
		want := statesOf(t, network(dice, all).Findings)
		if merged := statesOf(t, got); !mapsEqual(merged, want) || !m.End.Complete ||
			m.End.Summary.Targets != uint64(n) {
			t.Fatalf("got %v\nwant %v\n%+v", merged, want, m.End)
		}
		runs := 0
		for i := range all {
			if i == 0 || all[i] != all[i-1] || all[i] == probe.Open {
				runs++
			}
		}
		if len(got) > runs {
			t.Fatalf("%d records for %d runs", len(got), runs)
		}
		if shards > 1 {
			m, err := Merge(parts[1:])
			if err != nil {
				t.Fatal(err)
			}
			if gone := fmt.Sprintf("missing: shard %d of %d", partNumber(parts[0]), shards); m.End.Complete ||
				!slices.Contains(m.End.Coverage, gone) {
				t.Fatalf("without one: %+v, not %q", m.End, gone)
			}
		}
	}
}

func partNumber(p *Part) (n int) {
	fmt.Sscanf(p.Name, "part%d", &n)
	return n
}

func mapsEqual(a, b map[probe.Endpoint]probe.State) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

func TestMergeRefuses(t *testing.T) {
	a := netip.MustParseAddr("10.0.0.1")
	one := func(a netip.Addr) Stream {
		return Stream{Started: Starts("scan"), Ended: Ends(2, nil), Findings: []Finding{
			probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: 417, Proto: probe.TCP}, State: probe.Closed}}}
	}
	first := part(t, "a", one(a), 1, 2)
	with := func(change func(*Plan)) *Part {
		s := one(a.Next())
		s.Started.Plan = &Plan{Fingerprint: "f", Endpoints: 2, Seed: "7", Shard: 2, Shards: 2}
		change(s.Started.Plan)
		return part(t, "b", s, 0, 0)
	}
	for name, c := range map[string]struct {
		other *Part
		want  string
	}{
		"no plan":        {part(t, "b", one(a.Next()), 0, 0), "b does not state which part of a scan it is"},
		"other targets":  {with(func(p *Plan) { p.Fingerprint = "g" }), "a and b are of different scans"},
		"other seed":     {with(func(p *Plan) { p.Seed = "8" }), "their seeds are 7 and 8"},
		"other division": {with(func(p *Plan) { p.Shards = 3 }), "a is one of 2 shards, b one of 3"},
		"twice":          {with(func(p *Plan) { p.Shard = 1 }), "a and b are both shard 1 of 2"},
		"no such shard":  {with(func(p *Plan) { p.Shard = 3 }), "b is shard 3 of 2, which does not exist"},
		"too many":       {with(func(p *Plan) { p.Shards, p.Shard = 1<<31-1, 5 }), "which does not exist"},
		"an overlap":     {part(t, "b", one(a), 2, 2), "10.0.0.1:417/tcp is in both a and b"},
	} {
		if _, err := Merge([]*Part{first, c.other}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, not %q", name, err, c.want)
		}
	}
	if m, err := Merge([]*Part{first, with(func(*Plan) {})}); err != nil || !m.End.Complete {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestShardShares(t *testing.T) {
	for _, n := range []uint64{0, 1, 2, 3, 127, 128, 129} {
		for shards := 1; shards < 6; shards++ {
			var sum uint64
			for i := 1; i <= shards; i++ {
				s := lackOf(t, &Plan{Fingerprint: "f", Endpoints: n, Seed: "7", Shard: i, Shards: shards})
				var share uint64
				fmt.Sscanf(s, "it has 0 of %d", &share)
				sum += share
			}
			if sum != n {
				t.Errorf("%d shards of %d endpoints have %d", shards, n, sum)
			}
		}
	}
}

// lackOf is what a shard without records lacks.
func lackOf(t *testing.T, p *Plan) string {
	t.Helper()
	m, err := Merge([]*Part{part(t, "a", Stream{Started: Start{Command: "scan", Plan: p}}, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	_, lack, _ := strings.Cut(m.Lack[0], "is incomplete: ")
	return lack
}
