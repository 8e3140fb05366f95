package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

func addr(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}) }

// road is a network in which hop n is on[n-1]: a router's number, 0 for one that
// says nothing. Behind the last of them is the target, which answers with end.
type road struct {
	on  []int
	end Reason
	// from which hop on the target answers at first, and how often it is asked before it
	// has answered for every hop: it limits what it says
	from int

	mu    sync.Mutex
	asked map[int]int
}

var pathTarget = Endpoint{Addr: addr(200), Port: 417, Proto: TCP}

func (r *road) step(_ context.Context, hop int) (Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked == nil {
		r.asked = make(map[int]int)
	}
	r.asked[hop]++
	res := Result{Endpoint: pathTarget, Reason: NoResponse}
	switch {
	case hop > len(r.on) && hop < r.from && r.asked[hop] <= pathTries:
	case hop > len(r.on):
		res.Reason = r.end
	case r.on[hop-1] != 0:
		res.Reason, res.Responder = TimeExceeded, addr(r.on[hop-1])
	}
	return res, nil
}

// shape is "1 2 - 200/reset".
func shape(path []Hop) string {
	var parts []string
	for i, h := range path {
		if h.Hop != i+1 {
			return fmt.Sprintf("hop %d stands at %d", h.Hop, i+1)
		}
		s := "-"
		if h.Address.IsValid() {
			s = fmt.Sprint(h.Address.As4()[3])
		}
		if h.Reason != NoReason && h.Reason != TimeExceeded {
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

func TestWalk(t *testing.T) {
	silent := make([]int, 40)
	for _, tt := range []struct {
		name     string
		on       []int
		end      Reason
		answered bool
		want     string
		says     string
		most     int // the highest hop that may be asked
		from     int // where the target answers at once
	}{
		{"no router", nil, SynAck, true, "200/syn-ack", "no router lies between", 6, 0},
		{"one router", []int{1}, Reset, true, "1 200/reset", "hop 2: 1 router between", 6, 0},
		{"eight routers", many(8, 1), Reset, true, "1 2 3 4 5 6 7 8 200/reset", "hop 9: 8 routers between", 12, 0},
		{"a silent router", []int{1, 0, 3}, SynAck, true, "1 - 3 200/syn-ack", "hop 4: 3 routers", 6, 0},
		{"a silent target", []int{1, 2, 3}, NoResponse, false, "1 2 3", "as far as 192.0.2.3 (hop 3); what comes next says nothing", 12, 0},
		{"nobody says anything", nil, NoResponse, false, "", "not even the first hop", 6, 0},
		{"many silent routers before one that answers", append(silent[:8:8], 9), Reset, true, "- - - - - - - - 9 200/reset", "hop 10", 12, 0},
		{"many silent routers before nobody", append(silent[:8:8], 9), NoResponse, false, "", "not even", 6, 0},
		{"a router answers for it", []int{1, 2}, AdminProhibited, true, "1 2 200/admin-prohibited", "hop 3", 6, 0},
		{"a loop", append(append(many(3, 1), 2, 3, 2), many(24, 100)...), NoResponse, false, "1 2 3 2", "a routing loop: the packet comes back to 192.0.2.2 (hop 4)", 6, 0},
		{"a router that stands twice in a row", []int{1, 2, 2}, Reset, true, "1 2 2 200/reset", "hop 4", 6, 0},
		{"further than any", many(40, 1), Reset, true, shape(hops(30)), "192.0.2.30 (hop 30); what comes next", 30, 0},
		{"all silent and known to answer", silent, Reset, true, "", "not even", 30, 0},
		{"no neighbour", nil, NoNeighbour, false, "-/no-neighbour", "nothing leaves this machine", 6, 0},
		{"a near target that limits its ICMP", nil, PortUnreach, true, "200/port-unreach", "no router lies between", 6, 5},
		{"one behind two routers", []int{1, 2}, PortUnreach, true, "1 2 200/port-unreach", "hop 3: 2 routers between", 6, 6},
		{"and behind silent ones", []int{1, 0, 0}, PortUnreach, true, "1 - - 200/port-unreach", "at most hop 4; the hops before it say nothing", 6, 6},
		{"a router that limits what it forbids", []int{1, 0}, AdminProhibited, false, "1 - 200/admin-prohibited", "at most hop 3", 6, 0},
	} {
		r := &road{on: tt.on, end: tt.end, from: tt.from}
		var path []Hop
		var err error
		synctest.Test(t, func(t *testing.T) { path, err = walk(t.Context(), tt.answered, r.step) })
		if got := shape(path); got != tt.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
		if s := TellPath(pathTarget, path); !strings.Contains(s, tt.says) {
			t.Errorf("%s: %q", tt.name, s)
		}
		for hop, n := range r.asked {
			if hop > tt.most || n > pathTries && (tt.end == Reset || tt.end == SynAck) || n > 2*pathTries {
				t.Errorf("%s: hop %d was asked %d times", tt.name, hop, n)
			}
		}
	}
}

func hops(n int) []Hop {
	var out []Hop
	for i := range n {
		out = append(out, Hop{Hop: i + 1, Address: addr(i + 1), Reason: TimeExceeded})
	}
	return out
}

// What goes wrong here ends the search with what is known.
func TestWalkFails(t *testing.T) {
	r := &road{on: []int{1, 2}}
	for name, fail := range map[string]func(Result) (Result, error){
		"busy":  func(Result) (Result, error) { return Result{}, ErrBusy },
		"local": func(r Result) (Result, error) { return unmeasured(r.Endpoint, ErrBusy.Error()), nil },
	} {
		path, err := walk(t.Context(), true, func(ctx context.Context, hop int) (Result, error) {
			res, _ := r.step(ctx, hop)
			if hop > 2 {
				return fail(res)
			}
			return res, nil
		})
		if shape(path) != "1 2" || err == nil || name == "busy" && !errors.Is(err, ErrBusy) {
			t.Errorf("%s: %q, %v", name, shape(path), err)
		}
	}
}
