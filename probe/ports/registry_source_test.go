package ports

import (
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"onmux/probe"
)

var update = flag.Bool("update", false, "write registry.txt from gopacket's tables")

// The registry is that of gopacket, which was generated from IANA's file.
func TestRegistryIsComplete(t *testing.T) {
	var want strings.Builder
	for n := 1; n <= 65535; n++ {
		tcp, udp := layers.TCPPortNames[layers.TCPPort(n)], layers.UDPPortNames[layers.UDPPort(n)]
		number := strconv.Itoa(n)
		if tcp == udp && tcp != "" {
			want.WriteString(number + " " + tcp + "\n")
			continue
		}
		if tcp != "" {
			want.WriteString(number + "/tcp " + tcp + "\n")
		}
		if udp != "" {
			want.WriteString(number + "/udp " + udp + "\n")
		}
	}
	if *update {
		if err := os.WriteFile("registry.txt", []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if registry != want.String() {
		t.Error("registry.txt is not what gopacket has: run go test ./probe/ports -run Registry -update")
	}
	for n := range 65536 {
		tcp, udp := layers.TCPPortNames[layers.TCPPort(n)], layers.UDPPortNames[layers.UDPPort(n)]
		if n == 0 {
			tcp, udp = "", "" // "Reserved": nothing can use it
		}
		if got := NameOf(probe.Port{Number: uint16(n), Proto: probe.TCP}); got != tcp {
			t.Errorf("%d/tcp is %q, want %q", n, got, tcp)
		}
		if got := NameOf(probe.Port{Number: uint16(n), Proto: probe.UDP}); got != udp {
			t.Errorf("%d/udp is %q, want %q", n, got, udp)
		}
	}
}
