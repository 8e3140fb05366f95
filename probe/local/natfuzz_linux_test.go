package local

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"onmux/probe"
)

// appendName appends an attribute that holds a string.
func appendName(b []byte, kind int, name string) []byte {
	return append(b, nl.NewRtAttr(kind, nl.ZeroTerminated(name)).Serialize()...)
}

// Whatever the kernel sends is read to its end, and walked to its end.
func FuzzNAT(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add(appendName(nil, unix.NFTA_RULE_CHAIN, "a"), appendName(nil, 1, "x"))
	for _, e := range slices.Concat(port(417), redirect(1), dnat("10.0.0.1", 5), tcpXT(1, 2, 3), redirectXT(4), dnatXT("10.0.0.1", 6), fromHeader(16, 4)) {
		b, err := expr.Marshal(unix.NFPROTO_IPV4, e)
		if err != nil {
			f.Fatal(err)
		}
		element := binary.NativeEndian.AppendUint16(nil, uint16(4+len(b)))
		element = append(binary.NativeEndian.AppendUint16(element, unix.NFTA_LIST_ELEM), b...)
		list := binary.NativeEndian.AppendUint16(nil, uint16(4+len(element)))
		list = append(binary.NativeEndian.AppendUint16(list, unix.NFTA_RULE_EXPRESSIONS), element...)
		f.Add(append(appendName(nil, unix.NFTA_RULE_CHAIN, "a"), list...), list)
	}
	f.Fuzz(func(t *testing.T, rule, elements []byte) {
		r := &natRules{of: make(map[string][][]step), steps: 1 << 10, sets: make(map[string]*natSet)}
		set := &natSet{elements: parseElements(elements), interval: len(elements)%2 == 0}
		set.pair()
		_, steps := parseRule(unix.NFPROTO_IPV4, rule)
		for _, s := range steps {
			r.sets["ip t "+s.name] = set
		}
		r.name(steps)
		r.of["ip t a"] = [][]step{steps, {{op: opLoad, n: 2, load: fromTransport, offset: 2}, {op: opLookup, name: "s"}, {op: opSend}}}
		r.sets["ip t s"] = set
		n := newNAT()
		for _, s := range r.walk(t.Context(), Query{ports: map[probe.Proto][]uint16{probe.TCP: {1, 417}}, v4: true}, []natChain{{family: unix.NFPROTO_IPV4, table: "t", name: "a"}}) {
			n.note(s, []uint16{1, 417})
		}
		parseChain(unix.NFPROTO_IPV4, rule)
	})
}

func FuzzXT(f *testing.F) {
	f.Add("tcp", uint32(0), native([4]uint16{0, 65535, 417, 417}, [4]byte{}))
	f.Add("multiport", uint32(1), append([]byte{1, 2}, make([]byte, 46)...))
	f.Add("DNAT", uint32(2), make([]byte, 44))
	f.Fuzz(func(t *testing.T, name string, revision uint32, info []byte) {
		d := appendName(nil, unix.NFTA_MATCH_NAME, name)
		d = append(d, 8, 0, unix.NFTA_MATCH_REV, 0)
		d = binary.BigEndian.AppendUint32(d, revision)
		d = append(binary.NativeEndian.AppendUint16(d, uint16(4+len(info))), unix.NFTA_MATCH_INFO, 0)
		d = append(d, info...)
		for _, s := range slices.Concat(parseMatch(d), parseTarget(unix.NFPROTO_IPV4, d), parseTarget(unix.NFPROTO_IPV6, d)) {
			if s.op == opPorts && len(newSpans(s.ports)) > len(s.ports) || s.op == opSend && len(s.ports) > 1 {
				t.Errorf("%+v", s)
			}
		}
	})
}
