package nfexpr

import (
	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// Element is a key, or a range of keys with both ends, and what a map has for it.
type Element struct {
	Low, High []byte
	Data      []byte
	Verdict   *Verdict
	Catchall  bool // every other key
	Rated     bool // it has a rate or the like of its own
	End       bool // no element: an interval ends before its key
}

// ParseElements reads NFT_MSG_NEWSETELEM.
func ParseElements(b []byte) []Element {
	const (
		expr     = 7      // NFTA_SET_ELEM_EXPR
		exprs    = 11     // NFTA_SET_ELEM_EXPRESSIONS
		keyEnd   = 10     // NFTA_SET_ELEM_KEY_END
		catchall = 1 << 1 // NFT_SET_ELEM_CATCHALL
	)
	var all []Element
	for _, attrs := range netlink.Attributes(netlink.Attribute(b, unix.NFTA_SET_ELEM_LIST_ELEMENTS)) {
		flags := Number(attrs, unix.NFTA_SET_ELEM_FLAGS)
		e := Element{
			Low:      value(attrs, unix.NFTA_SET_ELEM_KEY),
			High:     value(attrs, keyEnd),
			Data:     value(attrs, unix.NFTA_SET_ELEM_DATA),
			Catchall: flags&catchall != 0,
			End:      flags&unix.NFT_SET_ELEM_INTERVAL_END != 0,
		}
		if b := netlink.Attribute(attrs, expr); b != nil {
			e.Rated = !counts(b)
		}
		for _, b := range netlink.Attributes(netlink.Attribute(attrs, exprs)) {
			e.Rated = e.Rated || !counts(b)
		}
		data := netlink.Attribute(attrs, unix.NFTA_SET_ELEM_DATA)
		if b := netlink.Attribute(data, unix.NFTA_DATA_VERDICT); b != nil {
			e.Verdict = new(parseVerdict(b))
		}
		if len(e.Low) == 0 != e.Catchall || len(e.High) != 0 && len(e.High) != len(e.Low) {
			continue // neither a key nor every other
		}
		all = append(all, e)
	}
	return all
}
