package nfexpr

import (
	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// parseDynset reads an expression that adds an element to a set. One with
// expressions of its own, as a rate for each source, is a condition.
func parseDynset(d []byte) (Expression, bool) {
	const expr, flags, exprs = 7, 9, 10 // NFTA_DYNSET_EXPR and so on
	depending := Number(d, flags)&unix.NFT_DYNSET_F_INV != 0
	if b := netlink.Attribute(d, expr); b != nil {
		depending = depending || !counts(b)
	}
	for _, b := range netlink.Attributes(netlink.Attribute(d, exprs)) {
		depending = depending || !counts(b)
	}
	if depending {
		return depends(Rate), true
	}
	return Expression{}, true
}

// counts reports whether an expression only counts packets.
func counts(b []byte) bool {
	name := Text(b, unix.NFTA_EXPR_NAME)
	return name == "counter" || name == "last"
}

// SYNProxy is the type of named objects that answer in place of sockets (NFT_OBJECT_SYNPROXY).
const SYNProxy = 10

// parseObject reads a reference to a named object.
func parseObject(d []byte) (Expression, bool) {
	const objectType, mapName, expectation = 1, 4, 9 // NFTA_OBJREF_IMM_TYPE, NFTA_OBJREF_SET_NAME, NFT_OBJECT_CT_EXPECT
	if netlink.Attribute(d, objectType) == nil {
		e := depends(NamedObject) // that a map has, if it has one
		e.Lookup = SetLookup{Set: Text(d, mapName), IsMap: true}
		return e, true
	}
	switch Number(d, objectType) {
	case unix.NFT_OBJECT_COUNTER, unix.NFT_OBJECT_CT_HELPER, unix.NFT_OBJECT_CT_TIMEOUT, unix.NFT_OBJECT_SECMARK,
		unix.NFT_OBJECT_TUNNEL, expectation:
		return Expression{}, true
	case SYNProxy:
		return Expression{}, false
	}
	return depends(NamedObject), true
}

func parseLookup(d []byte) (Expression, bool) {
	e := Expression{Kind: KindLookup, Lookup: SetLookup{Set: Text(d, unix.NFTA_LOOKUP_SET)}}
	e.Invert = Number(d, unix.NFTA_LOOKUP_FLAGS)&unix.NFT_LOOKUP_F_INV != 0
	var ok bool
	e.Src, ok = registerAt(d, unix.NFTA_LOOKUP_SREG)
	if dst := netlink.Attribute(d, unix.NFTA_LOOKUP_DREG); dst != nil {
		e.Lookup.IsMap = true
		e.Dst, _ = register(dst) // the verdict's register is none: the elements of the map have verdicts then
	}
	return e, ok && e.Lookup.Set != ""
}
