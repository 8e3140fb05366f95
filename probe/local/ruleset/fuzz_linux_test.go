package ruleset

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"onmux/probe/local/nfexpr"
	"onmux/probe/nettest/nft"
)

// appendName appends an attribute that holds a string.
func appendName(b []byte, kind int, name string) []byte {
	return append(b, nl.NewRtAttr(kind, nl.ZeroTerminated(name)).Serialize()...)
}

// Whatever the kernel sends is read to its end, and evaluated to its end.
func FuzzRead(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add(appendName(nil, unix.NFTA_RULE_CHAIN, "a"), appendName(nil, 1, "x"))
	for _, e := range slices.Concat(
		nft.ToPort(417), nft.Redirect(1), nft.DNAT("10.0.0.1", 5), nft.XTPorts(1, 2, 3), nft.XTRedirect(4),
		nft.XTDNAT("10.0.0.1", 6), nft.LoadHeader(16, 4),
	) {
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
		r := newRuleset()
		r.steps = 1 << 10
		s := &set{elements: nfexpr.ParseElements(elements), interval: len(elements)%2 == 0}
		s.joinIntervals()
		_, exprs := nfexpr.ParseRule(unix.NFPROTO_IPV4, rule)
		for _, e := range exprs {
			r.sets["ip t "+e.Lookup.Set] = s
		}
		r.sets["ip t s"] = s
		r.chains["ip t a"] = [][]nfexpr.Expression{exprs, {
			{Kind: nfexpr.KindLoad, Size: 2, Load: nfexpr.Loading{From: nfexpr.FromTransportHeader, Offset: 2}},
			{Kind: nfexpr.KindLookup, Lookup: nfexpr.SetLookup{Set: "s"}},
			{Kind: nfexpr.KindXTNAT},
		}}
		bases := []chain{parseChain(unix.NFPROTO_IPV4, rule), {family: unix.NFPROTO_IPV4, table: "t", name: "a"}}
		r.evaluate(t.Context(), overIPv4(), bases)
	})
}

func FuzzXT(f *testing.F) {
	f.Add("tcp", uint32(0), nft.Native([4]uint16{0, 65535, 417, 417}, [4]byte{}))
	f.Add("multiport", uint32(1), append([]byte{1, 2}, make([]byte, 46)...))
	f.Add("DNAT", uint32(2), make([]byte, 44))
	f.Fuzz(func(t *testing.T, name string, revision uint32, info []byte) {
		d := appendName(nil, unix.NFTA_MATCH_NAME, name)
		d = append(d, 8, 0, unix.NFTA_MATCH_REV, 0)
		d = binary.BigEndian.AppendUint32(d, revision)
		d = append(binary.NativeEndian.AppendUint16(d, uint16(4+len(info))), unix.NFTA_MATCH_INFO, 0)
		d = append(d, info...)
		all := slices.Concat(
			nfexpr.ParseMatch(d),
			nfexpr.ParseTarget(unix.NFPROTO_IPV4, d),
			nfexpr.ParseTarget(unix.NFPROTO_IPV6, d),
		)
		for _, e := range all {
			n := len(e.XT.Ports)
			if e.Kind == nfexpr.KindXTPorts && len(newPortSet(e.XT.Ports)) > n || e.Kind == nfexpr.KindXTNAT && n > 1 {
				t.Errorf("%+v", e)
			}
		}
	})
}
