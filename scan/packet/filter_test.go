package packet

import (
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/net/bpf"

	"onmux/probe"
)

func (w *fixture) vm() *bpf.VM {
	w.t.Helper()
	raw, err := Filter(w.Framing, w.c)
	if err != nil {
		w.t.Fatal(err)
	}
	code, ok := bpf.Disassemble(raw)
	vm, err := bpf.NewVM(code)
	if !ok || err != nil {
		w.t.Fatal(ok, err)
	}
	return vm
}

func TestFilter(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		vm := w.vm()
		check := func(what string, frame []byte, want bool) {
			t.Helper()
			n, err := vm.Run(frame)
			if err != nil || (n > 0) != want || n > 0 && n < 65536 {
				t.Errorf("%s: %d bytes pass, %v, want %t:\n% x", what, n, err, want, frame)
			}
		}
		tcp, udp := w.ask(417, probe.TCP), w.ask(417, probe.UDP)
		check("a SYN-ACK", w.tcp(tcp, nil), true)
		check("a RST", w.tcp(tcp, func(l *layers.TCP) { l.SYN, l.RST = false, true }), true)
		check("a SYN", w.tcp(tcp, func(l *layers.TCP) { l.ACK = false }), false)
		check("data", w.tcp(tcp, func(l *layers.TCP) { l.SYN = false }), false)
		check("a FIN", w.tcp(tcp, func(l *layers.TCP) { l.SYN, l.FIN = false, true }), false)
		for port, want := range map[uint16]bool{testTCP.First - 1: false, testTCP.First: true, testTCP.Last(): true,
			testTCP.Last() + 1: false, 0: false, 65535: false, testUDP.First: false} {
			check("a SYN-ACK to a port", w.tcp(tcp, func(l *layers.TCP) { l.DstPort = layers.TCPPort(port) }), want)
		}
		for port, want := range map[uint16]bool{testUDP.First - 1: false, testUDP.First: true, testUDP.Last(): true,
			testUDP.Last() + 1: false, 0: false, 65535: false, testTCP.First: false} {
			udp.from = port
			check("a datagram to a port", w.udp(udp, 417, "x"), want)
		}
		for kind := range 256 {
			want := w.Src.Is4() && (kind == 3 || kind == 11) || w.Src.Is6() && (kind == 1 || kind == 3 || kind == typeAdvertise)
			check("ICMP", w.icmp(tcp.Addr, probe.ICMP{Type: uint8(kind), Code: 1}, tcp.ip), want)
		}
		check(
			"another protocol",
			w.frame(tcp.Addr, layers.IPProtocolGRE, gopacket.Payload("anything that is long enough")),
			false,
		)
		other := layers.IPProtocolICMPv6
		if w.Src.Is6() {
			other = layers.IPProtocolICMPv4
		}
		check("the other family's ICMP", w.frame(tcp.Addr, other, gopacket.Payload([]byte{3, 3, 0, 0, 0, 0, 0, 0})), false)

		frame := w.tcp(tcp, nil)
		for n := range frame[:w.linkLen()+w.header()+14] {
			if got, err := vm.Run(frame[:n]); err != nil || got != 0 {
				t.Errorf("%d bytes pass: %d, %v", n, got, err)
			}
		}
	})
}

func TestFilterShapes(t *testing.T) {
	forEachPath(t, func(t *testing.T, w *fixture) {
		vm := w.vm()
		passes := func(what string, frame []byte, want bool) {
			t.Helper()
			if n, err := vm.Run(frame); err != nil || (n > 0) != want {
				t.Errorf("%s: %d bytes pass, %v, want %t", what, n, err, want)
			}
		}
		a := w.ask(417, probe.TCP)
		frame := w.tcp(a, nil)
		at, h := w.linkLen(), w.header()
		if w.Src.Is4() {
			for words := 1; words <= 10; words++ {
				with := slices.Insert(slices.Clone(frame), at+h, make([]byte, 4*words)...)
				with[at] += byte(words)
				passes("a SYN-ACK with options", with, true)
				with[at+h+4*words+13] = ACK
				passes("an ACK with options", with, false)
			}
			for flags, want := range map[byte]bool{0x20: true, 0x40: true, 0x01: false, 0x21: false} {
				frame[at+6] = flags
				passes("a fragment", frame, want)
			}
		} else {
			for next := range 256 {
				if next == protoICMPv6 { // its type is where the port is
					continue
				}
				frame[at+6] = byte(next)
				want := slices.Contains([]int{0, 6, 43, 44, 51, 60}, next)
				passes("an extension", frame, want)
			}
		}
		if w.Framing != Ethernet {
			frame[0] = 0x50
			passes("IP of version 5", frame, false)
			return
		}
		ask, answer := make([]byte, MaxNeighbor), make([]byte, MaxNeighbor)
		ask = ask[:PutSolicit(ask, w.Path, w.Src.Next())]
		answer = answer[:PutAdvertise(answer, w.Path, w.Src.Next(), testHop)]
		passes("a question for a neighbor", ask, false)
		passes("an answer of one", answer, true)
	})
}

// A protocol that is not asked has no ports, and nothing for it passes.
func TestFilterWithoutPorts(t *testing.T) {
	w := newFixture(t, testPaths()[1])
	tcp, udp := w.ask(417, probe.TCP), w.ask(417, probe.UDP)
	for _, proto := range probe.Protos() {
		ports := [...]Ports{probe.TCP: testTCP, probe.UDP: testUDP}
		ports[proto] = Ports{}
		c, err := NewCookies(testKey, ports[probe.TCP], ports[probe.UDP])
		if err != nil {
			t.Fatal(err)
		}
		w.c = c
		vm := w.vm()
		for asked, frame := range map[probe.Proto][]byte{probe.TCP: w.tcp(tcp, nil), probe.UDP: w.udp(udp, 417, "x")} {
			if n, err := vm.Run(frame); err != nil || (n > 0) != (asked != proto) {
				t.Errorf("without %s, %d bytes of %s pass, %v", proto, n, asked, err)
			}
		}
	}
}

// The kernel takes no program longer than BPF_MAXINSNS, linux/bpf_common.h.
func TestFilterLength(t *testing.T) {
	raw, err := Filter(Ethernet, testCookies(t))
	if err != nil || len(raw) > 4096 || len(raw) == 0 {
		t.Errorf("%d instructions, %v", len(raw), err)
	}
}
