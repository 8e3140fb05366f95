package nfexpr

import (
	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// natRegisters are those from which an KindNAT takes an address, of Expression.Size,
// and the first and the last port; -1 if there is none.
type natRegisters struct{ Addr, First, Last int }

// parseTPROXY reads the registers of the address and the port of a socket; -1 if
// there is none.
func parseTPROXY(d []byte) (Expression, bool) {
	const family, addr, port = 1, 2, 3 // NFTA_TPROXY_FAMILY and so on
	e := Expression{Kind: KindTPROXY, NAT: natRegisters{-1, -1, -1}, Size: 4}
	if Number(d, family) == unix.NFPROTO_IPV6 {
		e.Size = 16
	}
	ok := true
	if b := netlink.Attribute(d, addr); b != nil {
		e.NAT.Addr, ok = register(b)
		ok = ok && Fits(e.NAT.Addr, e.Size)
	}
	if b := netlink.Attribute(d, port); b != nil && ok {
		e.NAT.First, ok = register(b)
		e.NAT.Last = e.NAT.First
		ok = ok && Fits(e.NAT.First, 2)
	}
	return e, ok
}

// parseNATPorts reads the registers of the first and the last port; -1 if there is
// none.
func parseNATPorts(d []byte, firstKind, lastKind uint16) (first, last int, ok bool) {
	first, last, ok = -1, -1, true
	if b := netlink.Attribute(d, firstKind); b != nil {
		first, ok = register(b)
		last = first
	}
	if b := netlink.Attribute(d, lastKind); b != nil && ok {
		last, ok = register(b)
	}
	return first, last, ok && (first < 0 || Fits(first, 2) && Fits(last, 2))
}

func parseNAT(d []byte) (Expression, bool) {
	if Number(d, unix.NFTA_NAT_TYPE) != unix.NFT_NAT_DNAT {
		// Source NAT does not belong to these hooks.
		return Expression{Kind: KindVerdict, Verdict: Verdict{Code: Accept}}, true
	}
	first, last, ok := parseNATPorts(d, unix.NFTA_NAT_REG_PROTO_MIN, unix.NFTA_NAT_REG_PROTO_MAX)
	e := Expression{Kind: KindNAT, NAT: natRegisters{-1, first, last}, Size: 4}
	if Number(d, unix.NFTA_NAT_FAMILY) == unix.NFPROTO_IPV6 {
		e.Size = 16
	}
	if b := netlink.Attribute(d, unix.NFTA_NAT_REG_ADDR_MIN); b != nil && ok {
		e.NAT.Addr, ok = register(b)
		ok = ok && Fits(e.NAT.Addr, e.Size)
	}
	// Of a prefix (NF_NAT_RANGE_NETMAP) and of a range only the first address is read.
	return e, ok
}
