package local_test

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/socket"
)

// Every port of openSockets that listens is found without naming it, and no
// other.
func TestCheckAll(t *testing.T) {
	var want []probe.Port
	for _, f := range openSockets(t) {
		if f.verdict == Listening {
			want = append(want, f.port)
		}
	}
	slices.SortFunc(want, func(a, b probe.Port) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Proto, b.Proto))
	})
	r, err := checked(context.Background(), Request{All: probe.Protos(), IPv4: true, IPv6: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []probe.Port
	for _, v := range r.Verdicts {
		if v.Verdict != Listening {
			t.Errorf("%+v", v)
		}
		got = append(got, probe.Port{Number: v.Port, Proto: v.Proto})
	}
	// openSockets has a server of its own, for the connections.
	if len(got) != len(want)+1 || slices.ContainsFunc(want, func(p probe.Port) bool { return !slices.Contains(got, p) }) {
		t.Errorf("found %v, want %v and those of openSockets", got, want)
	}
	for _, l := range r.Listeners {
		if !slices.Contains(got, probe.Port{Number: l.Port, Proto: l.Proto}) {
			t.Errorf("%+v", l)
		}
	}
}

// What could not be read has no verdict to stand for it, so it is an error, and
// what was seen is reported too.
func TestCheckAllUnreadable(t *testing.T) {
	broken := errors.New("no such luck")
	seen := socket.Table{}
	seen.Add(socket.Socket{Proto: probe.TCP, Local: netip.MustParseAddrPort("127.0.0.1:417"), Family: "ipv4",
		State: socket.Listening})
	r, err := CheckWith(context.Background(), Request{All: probe.Protos(), IPv4: true},
		func(context.Context, query) (view, error) {
			return view{Survey: socket.Survey{Table: seen,
				Sources: []socket.Source{{Proto: probe.TCP, From: socket.FromTable}, {Proto: probe.UDP, Err: broken}}}}, nil
		})
	if !errors.Is(err, broken) || len(r.Verdicts) != 1 {
		t.Errorf("%v, %+v", err, r.Verdicts)
	}
}
