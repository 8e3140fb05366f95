package packet

import (
	"testing"

	"golang.org/x/net/bpf"

	"onmux/probe"
)

// machine is a filter as the kernel would run it.
func machine(t *testing.T, ports ...probe.Port) func([]byte) bool {
	t.Helper()
	raw, err := PortFilter(ports)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > 4096 {
		t.Fatalf("%d instructions", len(raw))
	}
	code, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("it has instructions that are none")
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	return func(b []byte) bool {
		n, err := vm.Run(b)
		return err == nil && n > 0
	}
}

func TestPortFilter(t *testing.T) {
	t.Parallel()
	var many []probe.Port
	for n := range uint16(2000) {
		many = append(many, probe.Port{Number: 1 + 2*n, Proto: probe.TCP})
	}
	tcp, udp := probe.Port{Number: 417, Proto: probe.TCP}, probe.Port{Number: 417, Proto: probe.UDP}
	for _, c := range []struct {
		name  string
		ports []probe.Port
		tcp   map[uint16]bool
		udp   map[uint16]bool
	}{
		{"both", []probe.Port{tcp, udp}, map[uint16]bool{417: true, 416: false}, map[uint16]bool{417: true, 4789: true}},
		{"TCP", []probe.Port{tcp}, map[uint16]bool{417: true, 4789: false}, map[uint16]bool{417: false, 8472: true}},
		{"a range", []probe.Port{{Number: 79, Proto: probe.TCP}, {Number: 80, Proto: probe.TCP}, {Number: 81,
			Proto: probe.TCP}},
			map[uint16]bool{78: false, 79: true, 80: true, 81: true, 82: false}, map[uint16]bool{80: false}},
		{"many", many[:maxRanges-10], map[uint16]bool{1: true, 2: false, 199: true}, map[uint16]bool{1: false}},
		{"too many", many, map[uint16]bool{1: true, 2: true}, map[uint16]bool{2: true}},
	} {
		passes := machine(t, c.ports...)
		for _, six := range []bool{false, true} {
			for proto, want := range map[uint8]map[uint16]bool{protoTCP: c.tcp, protoUDP: c.udp} {
				for port, want := range want {
					for _, at := range []int{0, 2} {
						body := make([]byte, 20)
						body[at], body[at+1] = byte(port>>8), byte(port)
						if got := passes(ipPacket(six, proto, body)); got != want {
							t.Errorf("%s: protocol %d, port %d at %d passes: %v", c.name, proto, port, at, got)
						}
					}
				}
			}
		}
	}
	passes := machine(t, tcp)
	for _, c := range []struct {
		six   bool
		proto uint8
		kind  byte
		want  bool
	}{
		{false, protoICMP, 3, true}, {false, protoICMP, 11, true}, {false, protoICMP, 8, false},
		{true, protoICMPv6, 1, true}, {true, protoICMPv6, 3, true}, {true, protoICMPv6, 135, false},
		{false, 4, 0, true}, {false, 41, 0, true}, {true, 47, 0, true}, {false, 50, 0, false}, {true, 44, 0, true},
		{true, 60, 0, true}, {true, 59, 0, false},
	} {
		if got := passes(ipPacket(c.six, c.proto, []byte{c.kind, 7: 0})); got != c.want {
			t.Errorf("%+v passes: %v", c, got)
		}
	}
	later := ipPacket(false, protoTCP, make([]byte, 8))
	later[7] = 9
	if !passes(later) || passes([]byte{0, 1, 8, 0}) || passes(nil) {
		t.Error("a fragment does not pass, or ARP does")
	}
}

// ipPacket is a packet with options of IPv4, or of IPv6.
func ipPacket(six bool, proto uint8, body []byte) []byte {
	b := make([]byte, 40, 60)
	if b[6] = proto; six {
		b[0] = 0x60
		return append(b, body...)
	}
	b = b[:28]
	b[0], b[6], b[9] = 0x47, 0, proto
	return append(b, body...)
}
