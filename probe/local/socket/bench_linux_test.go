package socket

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
)

// rows are as many sockets as the kernel puts into one datagram.
func rows() [][]byte {
	var all [][]byte
	for n := range uint16(200) {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 6000+n)
		mem := append(binary.NativeEndian.AppendUint16(nil, 40), diagMemInfo, 0)
		attrs := slices.Concat(attr(diagSkV6Only, 0), append(mem, make([]byte, 36)...), inCgroup(5150))
		all = append(all, diagSocket(unix.AF_INET, tcpListen, addr, attrs...))
	}
	return all
}

// Sockets that nobody asked for cost no memory, however many there are.
func TestUnwantedSocketsTakeNoMemory(t *testing.T) {
	in, ports := rows(), newPortSet([]uint16{417})
	q := Query{IPv4: true, IPv6: true}
	all := make(Table)
	seen := 0
	n := testing.AllocsPerRun(10, func() {
		for _, row := range in {
			s, err := parseSocket(row, probe.TCP)
			if err != nil {
				t.Error(err)
			}
			if seen++; ports.contains(s.Local.Port()) && s.inFamilies(q) {
				all.Add(s)
			}
		}
	})
	if n != 0 || seen != 11*200 || len(all) > 0 {
		t.Errorf("%g allocations for %d sockets, of which %d are kept", n, seen, len(all))
	}
}

func BenchmarkParseSocket(b *testing.B) {
	in := rows()
	b.ReportAllocs()
	for b.Loop() {
		for _, row := range in {
			if _, err := parseSocket(row, probe.TCP); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(in)), "ns/socket")
}
