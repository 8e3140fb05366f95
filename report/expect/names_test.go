package expect_test

import (
	"net/netip"
	"testing"

	"onmux/probe"
	"onmux/report/expect"
	"onmux/report/record"
)

// at is what was found at an address of a name.
func at(host, addr string, state probe.State) probe.Result {
	r := probe.Result{Origin: probe.Origin{Host: host}, State: state}
	r.Endpoint = probe.Endpoint{Addr: netip.MustParseAddr(addr), Port: 22, Proto: probe.TCP}
	return r
}

// TestNames: how addresses of one name count.
func TestNames(t *testing.T) {
	const open, closed, unknown = probe.Open, probe.Closed, probe.Unknown
	one := expect.Names{Any: true}
	only4 := expect.Names{Usable: netip.Addr.Is4}
	both := expect.Names{Any: true, Usable: netip.Addr.Is4}
	cases := []struct {
		what     string
		names    expect.Names
		expected string
		found    []probe.Result
		want     record.Outcome
		violated int
	}{
		{"one suffices", one, "open", []probe.Result{at("a", "::1", closed), at("a", "127.0.0.1", open)}, record.Holds, 0},
		{"in any order", one, "open", []probe.Result{at("a", "127.0.0.1", open), at("a", "::1", closed)}, record.Holds, 0},
		{"of each name", one, "open", []probe.Result{at("a", "127.0.0.1", open), at("b", "::1", closed)}, record.Fails, 1},
		{"none does", one, "open", []probe.Result{at("a", "::1", closed), at("a", "127.0.0.1", closed)}, record.Fails, 2},
		{"an address by itself", one, "open", []probe.Result{at("a", "127.0.0.1", open), at("", "::1", closed)},
			record.Fails, 1},
		{"unknown beside open", one, "open", []probe.Result{at("a", "::1", unknown), at("a", "127.0.0.1", open)},
			record.Holds, 0},
		{"unknown beside closed", one, "open", []probe.Result{at("a", "::1", unknown), at("a", "127.0.0.1", closed)},
			record.Fails, 1},
		{"all unknown", one, "open", []probe.Result{at("a", "::1", unknown)}, record.CannotTell, 0},
		{"a count is of all", one, "open=2", []probe.Result{at("a", "::1", closed), at("a", "127.0.0.1", open)},
			record.Fails, 1},

		{"all must be", expect.Names{}, "open", []probe.Result{at("a", "::1", closed), at("a", "127.0.0.1", open)},
			record.Fails, 1},
		{"unusable", only4, "open", []probe.Result{at("a", "::1", unknown), at("a", "127.0.0.1", open)}, record.Holds, 0},
		{"unusable, nothing expected", only4, "", []probe.Result{at("a", "::1", unknown), at("a", "127.0.0.1", open)},
			record.Holds, 0},
		{"unusable, and the other is not", only4, "open",
			[]probe.Result{at("a", "::1", unknown), at("a", "127.0.0.1", closed)}, record.Fails, 1},
		{"unusable alone", only4, "open", []probe.Result{at("a", "::1", unknown)}, record.CannotTell, 0},
		{"unusable by itself", only4, "open", []probe.Result{at("", "::1", unknown), at("a", "127.0.0.1", open)},
			record.CannotTell, 0},
		{"usable, but unknown", only4, "open", []probe.Result{at("a", "127.0.0.1", unknown), at("a", "127.0.0.2", open)},
			record.CannotTell, 0},
		{"unusable, counted", only4, "open=1", []probe.Result{at("a", "::1", unknown), at("a", "127.0.0.1", open)},
			record.Holds, 0},
		{"both, one suffices", both, "open", []probe.Result{at("a", "::1", unknown), at("a", "127.0.0.1", closed),
			at("a", "127.0.0.2", open)}, record.Holds, 0},
	}
	for _, tt := range cases {
		var all []expect.Expectation
		if tt.expected != "" {
			e, err := expect.Parse(tt.expected, "probe")
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
		j := expect.NewJudge(all)
		j.SetNames(tt.names)
		violated := 0
		for _, r := range tt.found {
			violated += len(j.Finding(r))
		}
		violated += len(j.End(record.End{Complete: true}))
		if got := j.Outcome(); got != tt.want || violated != tt.violated {
			t.Errorf("%s: %s with %d violations, want %s with %d", tt.what, got, violated, tt.want, tt.violated)
		}
		if (j.Doubt() != "") != (tt.want == record.CannotTell) {
			t.Errorf("%s: doubt %q", tt.what, j.Doubt())
		}
	}
}
