package raw

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"onmux/scan/engine"
	"onmux/scan/link"
	"onmux/scan/packet"
)

var (
	testStart = time.Unix(1_000_000, 0)
	testMAC   = packet.MAC{2, 0, 0, 0, 4, 17}
)

func testNeighbor(last byte) neighbor {
	return neighbor{netip.AddrFrom4([4]byte{10, 0, 0, last}), 1}
}

func testProbe(index uint64, try int) *engine.Probe {
	return &engine.Probe{Index: index, Try: try, Wait: 2 * time.Second}
}

// TestNeighborAnswers queues probes of two neighbors: those of the one that
// answers are sent in order, and those of the other expire.
func TestNeighborAnswers(t *testing.T) {
	table := newNeighborTable(testStart)
	here, gone := testNeighbor(1), testNeighbor(2)
	neighborOf := func(index uint64) neighbor {
		if index%2 == 0 {
			return here
		}
		return gone
	}
	for index := range uint64(6) {
		_, found, number, first := table.resolveOrQueue(neighborOf(index), testProbe(index, 1), testStart)
		want := queued
		if index < 2 {
			want = toAsk // once for each neighbor
		}
		if found != want || number != index || first != (index == 0) {
			t.Errorf("probe %d: %d, number %d, first %t", index, found, number, first)
		}
	}
	if n := table.pending(testStart); n != 6 {
		t.Errorf("%d pending", n)
	}

	var sent []uint64
	send := func(w *waitingProbe) { sent = append(sent, w.index) }
	table.resolve(testNeighbor(3), testMAC, testStart, send) // it was not asked
	table.resolve(here, testMAC, testStart, send)
	table.resolve(here, packet.MAC{2, 1, 1, 1, 1, 1}, testStart, send) // nothing waits for it
	if !slices.Equal(sent, []uint64{0, 2, 4}) {
		t.Errorf("sent %v", sent)
	}
	if m, found, _, _ := table.resolveOrQueue(here, testProbe(6, 1), testStart); found != resolved || m != testMAC {
		t.Errorf("%v, %d", m, found)
	}

	var expired []uint64
	report := func(w *waitingProbe, n neighbor) {
		if n != gone || w.try != 1 {
			t.Errorf("%+v of %v expired", w, n)
		}
		expired = append(expired, w.index)
	}
	table.expire(testStart.Add(neighborTimeout-time.Millisecond), neighborOf, report)
	if len(expired) != 0 {
		t.Errorf("expired early: %v", expired)
	}
	table.expire(testStart.Add(neighborTimeout), neighborOf, report)
	if !slices.Equal(expired, []uint64{1, 3, 5}) {
		t.Errorf("expired %v", expired)
	}
	if n := table.pending(testStart.Add(neighborTimeout)); n != 1 { // those that were sent may be answered
		t.Errorf("%d pending", n)
	}
	if n := table.pending(testStart.Add(time.Minute)); n >= 0 {
		t.Errorf("%d pending after a minute", n)
	}

	// The same try is answered at once, and the next asks again.
	if _, found, _, _ := table.resolveOrQueue(gone, testProbe(1, 1), testStart); found != unresolved {
		t.Errorf("the same try: %d", found)
	}
	if _, found, _, _ := table.resolveOrQueue(gone, testProbe(1, 2), testStart); found != toAsk {
		t.Errorf("the next try: %d", found)
	}
}

// TestQueueGrows fills the queue: probes stay in order while it grows, and what
// does not fit is refused.
func TestQueueGrows(t *testing.T) {
	table := newNeighborTable(testStart)
	n := testNeighbor(1)
	for index := range uint64(maxWaiting) {
		if _, found, _, _ := table.resolveOrQueue(n, testProbe(index, 1), testStart); found > toAsk {
			t.Fatalf("probe %d: %d", index, found)
		}
	}
	if _, found, _, _ := table.resolveOrQueue(n, testProbe(0, 1), testStart); found != queueFull {
		t.Errorf("a full queue: %d", found)
	}
	next := uint64(0)
	table.resolve(n, testMAC, testStart, func(w *waitingProbe) {
		if w.index != next {
			t.Fatalf("probe %d after %d", w.index, next)
		}
		next++
	})
	if next != maxWaiting {
		t.Errorf("%d of %d were sent", next, maxWaiting)
	}
}

// TestQueueWithdraws removes a probe whose question was not sent: it is not sent
// later, and the next probe has the neighbor asked again.
func TestQueueWithdraws(t *testing.T) {
	table := newNeighborTable(testStart)
	n := testNeighbor(1)
	_, _, number, _ := table.resolveOrQueue(n, testProbe(1, 1), testStart)
	table.withdraw(n, number)
	if p := table.pending(testStart); p >= 0 {
		t.Errorf("%d pending", p)
	}
	if _, found, _, _ := table.resolveOrQueue(n, testProbe(2, 1), testStart); found != toAsk {
		t.Errorf("the next probe: %d", found)
	}
	table.resolve(n, testMAC, testStart, func(w *waitingProbe) {
		if w.index != 2 {
			t.Errorf("probe %d was sent", w.index)
		}
	})
}

// TestNextHopIsLost asks a next hop again that has answered: it keeps its MAC,
// and is lost if it does not answer in time.
func TestNextHopIsLost(t *testing.T) {
	table := newNeighborTable(testStart)
	gateway := testNeighbor(254)
	h := table.nextHops.add(&link.Route{Gateway: gateway.addr, Device: &link.Device{Index: gateway.device}})
	none := func(*waitingProbe) { t.Error("a probe waited") }
	table.nextHops.markAsked(testStart, (*nextHop).unknown)
	table.resolve(gateway, testMAC, testStart, none)
	if m, ok := h.get(); !ok || m != testMAC || !table.nextHops.known() {
		t.Fatalf("%v, %t", m, ok)
	}
	all := func(*nextHop) bool { return true }
	table.nextHops.markAsked(testStart, all)
	late := testStart.Add(neighborTimeout)
	if lost := table.nextHops.lost(late.Add(-1)); len(lost) != 0 {
		t.Errorf("lost early: %v", lost)
	}
	if lost := table.nextHops.lost(late); !slices.Equal(lost, []netip.Addr{gateway.addr}) || h.unknown() {
		t.Errorf("lost %v", lost)
	}
	table.resolve(gateway, packet.MAC{2, 9, 9, 9, 9, 9}, late, none) // it answers after all, from elsewhere
	if m, _ := h.get(); m != (packet.MAC{2, 9, 9, 9, 9, 9}) || len(table.nextHops.lost(late)) != 0 {
		t.Errorf("%v, lost %v", m, table.nextHops.lost(late))
	}
	table.fix(gateway, testMAC)
	table.nextHops.markAsked(late, all)
	table.resolve(gateway, packet.MAC{2, 9, 9, 9, 9, 9}, late, none) // an administrator has set another
	if m, _ := h.get(); m != testMAC {
		t.Errorf("a fixed MAC became %v", m)
	}
}
