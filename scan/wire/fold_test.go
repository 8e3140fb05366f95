package wire

import (
	"encoding/binary"
	"runtime"
	"testing"
	"unsafe"

	"onmux/probe"
	"onmux/scan/capture"
	"onmux/scan/packet"
)

// syns makes SYNs to TCP port 417 of many places, without allocating.
type syns struct {
	packet capture.Packet
	now    int64
}

func newSyns(t testing.TB) *syns {
	s := newScene(t, families["IPv4"])
	c, e := s.places(4000)
	b := s.tcp(c, e, packet.SYN, 1000, 0, "")
	return &syns{packet: capture.Packet{Data: b, Size: len(b), Link: capture.LinkRaw}, now: start}
}

func (s *syns) next(client, server uint32, port uint16) *capture.Packet {
	b := s.packet.Data
	binary.BigEndian.PutUint32(b[12:], client)
	binary.BigEndian.PutUint32(b[16:], server)
	binary.BigEndian.PutUint16(b[20:], port)
	s.now += 1000
	s.packet.Time = s.now
	return &s.packet
}

// totals adds up the connections and packets of flows.
func totals(flows []Flow) (connections, packets uint64) {
	for _, f := range flows {
		connections += max(f.Connections, 1)
		packets += f.Sent.Packets
	}
	return connections, packets
}

func TestFold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		next func(s *syns, i uint32) *capture.Packet
		most int // records of flows
	}{
		"ports of one client": {func(s *syns, i uint32) *capture.Packet { return s.next(1<<24, 2<<24, uint16(i)) }, 1001},
		"many clients":        {func(s *syns, i uint32) *capture.Packet { return s.next(1<<24+i, 2<<24, 4000) }, 1501},
		"many endpoints": {func(s *syns, i uint32) *capture.Packet { return s.next(1<<24, 2<<24+i%300, uint16(i)) },
			1301},
	} {
		s := newSyns(t)
		w := New(Config{Ports: bothPorts, IPv4: true, IPv6: true, Flows: 1000})
		const n = 20000
		for i := range uint32(n) {
			w.Packet(c.next(s, i))
			if len(w.tracker.sums.of) > 1000 || w.tracker.flows.len() > 1000 {
				t.Fatalf("%s: %d flows and %d sums", name, w.tracker.flows.len(), len(w.tracker.sums.of))
			}
		}
		w.scope.ended += 5e9
		got := resultOf(t, w)
		connections, packets := totals(got.flows)
		if connections != n || packets != n || len(got.flows) > c.most || got.outcome.Folded == 0 {
			t.Errorf("%s: %d connections of %d packets in %d records, %d folded", name, connections, packets, len(got.flows),
				got.outcome.Folded)
		}
		for _, f := range got.flows {
			if f.State != probe.Filtered || f.Connections > 1 && f.ClientPort != 0 {
				t.Fatalf("%s: %+v", name, f)
			}
		}
	}
}

// TestSizes: with what is kept for each, half a million flows and a million endpoints take less
// than 512 MB. A map takes some 1.7 times its entries.
func TestSizes(t *testing.T) {
	t.Parallel()
	const entry = 4 // of a number in a map
	perFlow := float64(unsafe.Sizeof(flow{})) + 1.7*float64(unsafe.Sizeof(flowKey{})+entry)
	perEndpoint := float64(unsafe.Sizeof(endpoint{})) + 1.7*float64(unsafe.Sizeof(endpointKey{})+entry)
	perSum := float64(unsafe.Sizeof(folded{})) + 1.7*float64(unsafe.Sizeof(foldKey{})+8)
	total := DefaultFlows*perFlow + maxEndpoints*perEndpoint + DefaultFlows/maxFolded*perSum +
		maxStreams*(sentLimit+replyLimit)
	if total > 400<<20 {
		t.Errorf("%.0f MB: %.0f a flow, %.0f an endpoint, %.0f a sum", total/(1<<20), perFlow, perEndpoint, perSum)
	}
}

// BenchmarkMemory is the memory that more than a million flows take.
func BenchmarkMemory(b *testing.B) {
	for name, next := range map[string]func(s *syns, i uint32) *capture.Packet{
		"one endpoint":   func(s *syns, i uint32) *capture.Packet { return s.next(1<<24+i, 2<<24, 4000) },
		"many endpoints": func(s *syns, i uint32) *capture.Packet { return s.next(1<<24, 2<<24+i, 4000) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s := newSyns(b)
				w := New(Config{Ports: bothPorts, IPv4: true, IPv6: true})
				for i := range uint32(5 << 18) {
					w.Packet(next(s, i))
				}
				all := w.tracker.group()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				b.ReportMetric(float64(m.HeapInuse>>20), "MB")
				runtime.KeepAlive(all)
				runtime.KeepAlive(w)
			}
		})
	}
}
