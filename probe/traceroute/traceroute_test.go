package traceroute_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"onmux/probe"
	"onmux/probe/traceroute"
	"onmux/report/phrase/evidence"
)

func addr(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }

// fakePath is a network in which hop n is on[n-1]: a router's number, 0 for a silent one.
// Behind the last of them is the target, which answers with end.
type fakePath struct {
	on  []int
	end probe.Reason
	// from which hop on the target answers the first attempts: it limits its answers, and
	// answers for every hop only to later ones
	from int

	mu     sync.Mutex
	probed map[int]int
}

var pathTarget = probe.Endpoint{Addr: addr(200), Port: 417, Proto: probe.TCP}

func (r *fakePath) step(_ context.Context, hop int) (probe.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.probed == nil {
		r.probed = make(map[int]int)
	}
	r.probed[hop]++
	res := probe.Result{Endpoint: pathTarget, Reason: probe.NoResponse}
	switch {
	case hop > len(r.on) && hop < r.from && r.probed[hop] <= traceroute.HopTries:
	case hop > len(r.on):
		res.Reason = r.end
	case r.on[hop-1] != 0:
		res.Reason, res.Responder = probe.TimeExceeded, addr(r.on[hop-1])
	}
	return res, nil
}

// shape is "1 2 - 200/reset".
func shape(path []probe.Hop) string {
	var parts []string
	for i, h := range path {
		if h.Hop != i+1 {
			return fmt.Sprintf("hop %d is at position %d", h.Hop, i+1)
		}
		s := "-"
		if h.Address.IsValid() {
			s = fmt.Sprint(h.Address.As4()[3])
		}
		if h.Reason != probe.NoReason && h.Reason != probe.TimeExceeded {
			s += "/" + h.Reason.String()
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " ")
}

func many(n, from int) []int {
	var out []int
	for i := range n {
		out = append(out, from+i)
	}
	return out
}

func TestRun(t *testing.T) {
	silent := make([]int, 40)
	for _, tt := range []struct {
		name     string
		on       []int
		end      probe.Reason
		answered bool
		want     string
		sentence string
		most     int // the highest hop that may be probed
		from     int // where the target answers at once
	}{
		{"no router", nil, probe.SynAck, true, "200/syn-ack", "no router lies between", 6, 0},
		{"one router", []int{1}, probe.Reset, true, "1 200/reset", "hop 2: 1 router between", 6, 0},
		{"eight routers", many(8, 1), probe.Reset, true, "1 2 3 4 5 6 7 8 200/reset", "hop 9: 8 routers between", 12, 0},
		{"a silent router", []int{1, 0, 3}, probe.SynAck, true, "1 - 3 200/syn-ack", "hop 4: 3 routers", 6, 0},
		{"a silent target", []int{1, 2, 3}, probe.NoResponse, false, "1 2 3",
			"as far as 192.0.2.3 (hop 3); what comes next does not answer", 12, 0},
		{"no answer at all", nil, probe.NoResponse, false, "", "not even the first hop", 6, 0},
		{"many silent routers before one that answers", append(silent[:8:8], 9), probe.Reset, true,
			"- - - - - - - - 9 200/reset", "hop 10", 12, 0},
		{"many silent routers and no answer", append(silent[:8:8], 9), probe.NoResponse, false, "", "not even", 6, 0},
		{"a router answers for it", []int{1, 2}, probe.AdminProhibited, true, "1 2 200/admin-prohibited", "hop 3", 6, 0},
		{"a loop", append(append(many(3, 1), 2, 3, 2), many(24, 100)...), probe.NoResponse, false, "1 2 3 2",
			"a routing loop: the packet comes back to 192.0.2.2 (hop 4)", 6, 0},
		{"a router twice in a row", []int{1, 2, 2}, probe.Reset, true, "1 2 2 200/reset", "hop 4", 6, 0},
		{"further than any", many(40, 1), probe.Reset, true, shape(hops(30)), "192.0.2.30 (hop 30); what comes next", 30, 0},
		{"all silent and known to answer", silent, probe.Reset, true, "", "not even", 30, 0},
		{"no neighbor", nil, probe.NoNeighbor, false, "-/no-neighbour", "nothing leaves this machine", 6, 0},
		{"a near target that limits its ICMP", nil, probe.PortUnreach, true, "200/port-unreach", "no router lies between",
			6, 5},
		{"one behind two routers", []int{1, 2}, probe.PortUnreach, true, "1 2 200/port-unreach", "hop 3: 2 routers between",
			6, 6},
		{"and behind silent ones", []int{1, 0, 0}, probe.PortUnreach, true, "1 - - 200/port-unreach",
			"at most hop 4; the hops before it do not answer", 6, 6},
		{"a router that limits what it forbids", []int{1, 0}, probe.AdminProhibited, false, "1 - 200/admin-prohibited",
			"at most hop 3", 6, 0},
	} {
		r := &fakePath{on: tt.on, end: tt.end, from: tt.from}
		var path []probe.Hop
		var err error
		synctest.Test(t, func(t *testing.T) { path, err = traceroute.Trace(t.Context(), r.step, tt.answered) })
		if got := shape(path); got != tt.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
		if s := evidence.Path(pathTarget, path); !strings.Contains(s, tt.sentence) {
			t.Errorf("%s: %q", tt.name, s)
		}
		for hop, n := range r.probed {
			once := tt.end == probe.Reset || tt.end == probe.SynAck
			if hop > tt.most || n > traceroute.HopTries && once || n > 2*traceroute.HopTries {
				t.Errorf("%s: hop %d was probed %d times", tt.name, hop, n)
			}
		}
	}
}

func hops(n int) []probe.Hop {
	var out []probe.Hop
	for i := range n {
		out = append(out, probe.Hop{Hop: i + 1, Address: addr(i + 1), Reason: probe.TimeExceeded})
	}
	return out
}

// What goes wrong here ends the search with what is known.
func TestRunFails(t *testing.T) {
	r := &fakePath{on: []int{1, 2}}
	for name, fail := range map[string]func(probe.Result) (probe.Result, error){
		"busy": func(probe.Result) (probe.Result, error) { return probe.Result{}, probe.ErrBusy },
		"local": func(r probe.Result) (probe.Result, error) {
			return probe.Result{Endpoint: r.Endpoint, State: probe.Unknown, Reason: probe.LocalError,
				Error: probe.ErrBusy.Error()}, nil
		},
	} {
		attempt := func(ctx context.Context, hop int) (probe.Result, error) {
			res, _ := r.step(ctx, hop)
			if hop > 2 {
				return fail(res)
			}
			return res, nil
		}
		path, err := traceroute.Trace(t.Context(), attempt, true)
		if shape(path) != "1 2" || err == nil || name == "busy" && !errors.Is(err, probe.ErrBusy) {
			t.Errorf("%s: %q, %v", name, shape(path), err)
		}
	}
}
