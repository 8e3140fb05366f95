package nat

import (
	"bytes"
	"net/netip"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// exprKind is what an expression of a rule does.
type exprKind uint8

const (
	exprNone          exprKind = iota // neither a condition nor a verdict
	exprLoad                          // bytes of the packet, or what is known of it, into registers
	exprImmediate                     // constants into registers
	exprBitwise                       // registers AND a mask, XOR a value
	exprCompare                       // registers with a value or a range
	exprLookup                        // registers in a set or map
	exprVerdict                       // jump, accept and so on
	exprNAT                           // to an address and port in registers
	exprXTNAT                         // to a fixed address and port, of iptables
	exprXTPorts                       // the destination port is one of some, of iptables
	exprCondition                     // may or may not hold
	exprUnknownTarget                 // of iptables, not understood
	exprUnknownWrite                  // may have written to any register
)

// expression is one of a rule. Registers are counted in bytes from NFT_REG_1 on,
// which NFT_REG32_00 shares.
type expression struct {
	kind      exprKind
	src, dst  int    // register read, register written
	size      int    // of registers, in bytes
	low, high []byte // of a comparison: the ends of a range, both included; of exprImmediate low
	mask, xor []byte
	invert    bool
	load      loading
	lookup    lookup
	nat       natRegisters
	xt        xtTarget
	condition Condition
	verdict   verdict
}

// loading is what an exprLoad puts into registers.
type loading struct {
	from   origin
	offset uint32 // in a header of the packet
}

// lookup is which set an exprLookup looks into.
type lookup struct {
	set   string
	isMap bool // it writes to a register
}

// natRegisters are those from which an exprNAT takes an address, of expression.size,
// and the first and the last port; -1 if there is none.
type natRegisters struct{ addr, first, last int }

// xtTarget is the ports of an exprXTPorts, or where an exprXTNAT sends packets.
type xtTarget struct {
	ports []PortRange // of a target one at most
	addr  netip.Addr  // not valid: this machine
}

// verdict is what a rule decides (linux/netfilter/nf_tables.h).
type verdict struct {
	code  int32
	chain string
}

// The codes of verdicts.
const (
	nfDrop    = 0
	nfAccept  = 1
	nftJump   = -3
	nftGoto   = -4
	nftReturn = -5
)

// registerBytes is the size of NFT_REG_1 to NFT_REG_4, or NFT_REG32_00 to _15.
const registerBytes = 64

// register is where a register starts; false for the verdict's and for none.
func register(b []byte) (int, bool) {
	switch n := be32(b); {
	case len(b) < 4:
	case n >= unix.NFT_REG_1 && n <= unix.NFT_REG_4:
		return int(n-unix.NFT_REG_1) * 16, true
	case n >= unix.NFT_REG32_00 && n < unix.NFT_REG32_00+16:
		return int(n-unix.NFT_REG32_00) * 4, true
	}
	return 0, false
}

// registerAt is the register that an attribute names.
func registerAt(b []byte, kind uint16) (int, bool) { return register(netlink.Attribute(b, kind)) }

// fits reports whether some bytes from a register on exist.
func fits(at, n int) bool { return at >= 0 && n > 0 && at+n <= registerBytes }

// parseRule reads the expressions of NFT_MSG_NEWRULE. What is not understood is a
// condition that may or may not hold.
func parseRule(family tableFamily, b []byte) (chain string, exprs []expression) {
	for _, e := range netlink.Attributes(netlink.Attribute(b, unix.NFTA_RULE_EXPRESSIONS)) {
		name, data := text(e, unix.NFTA_EXPR_NAME), netlink.Attribute(e, unix.NFTA_EXPR_DATA)
		switch name {
		case "match":
			exprs = append(exprs, parseMatch(data)...)
		case "target":
			exprs = append(exprs, parseTarget(family, data)...)
		case "counter", "log", "last", "dynset", "notrack":
			// neither conditions nor verdicts
		default:
			e, ok := parseExpression(name, data)
			if !ok {
				exprs = append(exprs, expression{kind: exprUnknownWrite})
				e = depends(UnknownExpression)
				e.condition.Name = name
			}
			exprs = append(exprs, e)
		}
	}
	return text(b, unix.NFTA_RULE_CHAIN), exprs
}

// depends is an expression that may or may not hold.
func depends(kind ConditionKind) expression {
	return expression{kind: exprCondition, condition: Condition{Kind: kind}}
}

// parseExpression reads one expression; false if it is not understood. The bytes are
// copied.
func parseExpression(name string, d []byte) (expression, bool) {
	switch name {
	case "meta":
		return parseMeta(d)
	case "payload":
		return parsePayload(d)
	case "ct":
		return parseConntrack(d)
	case "fib":
		return parseFIB(d)
	case "numgen":
		return load(netlink.Attribute(d, unix.NFTA_NG_DREG), 4, fromRandom)
	case "hash":
		return load(netlink.Attribute(d, unix.NFTA_HASH_DREG), 4, fromRandom)
	case "immediate":
		return parseImmediate(d)
	case "bitwise":
		return parseBitwise(d)
	case "cmp":
		return parseCmp(d)
	case "range":
		return parseRange(d)
	case "lookup":
		return parseLookup(d)
	case "redir":
		first, last, ok := parseNATPorts(d, unix.NFTA_REDIR_REG_PROTO_MIN, unix.NFTA_REDIR_REG_PROTO_MAX)
		return expression{kind: exprNAT, nat: natRegisters{-1, first, last}}, ok
	case "nat":
		return parseNAT(d)
	case "reject":
		return expression{kind: exprVerdict, verdict: verdict{code: nfDrop}}, true
	case "limit":
		return depends(Rate), true
	case "quota":
		return depends(Quota), true
	case "connlimit":
		return depends(ConnectionLimit), true
	case "objref":
		const objectType = 1 // NFTA_OBJREF_IMM_TYPE
		if number(d, objectType) == unix.NFT_OBJECT_COUNTER {
			return expression{}, true
		}
		return depends(NamedObject), true
	}
	return expression{}, false
}

// load is an expression that loads bytes into a register.
func load(reg []byte, size int, from origin) (expression, bool) {
	dst, ok := register(reg)
	return expression{kind: exprLoad, dst: dst, size: size, load: loading{from: from}}, ok && fits(dst, size)
}

func parsePayload(d []byte) (expression, bool) {
	reg := netlink.Attribute(d, unix.NFTA_PAYLOAD_DREG)
	if reg == nil {
		return expression{}, false // it changes the packet
	}
	from := fromElsewhere
	switch number(d, unix.NFTA_PAYLOAD_BASE) {
	case unix.NFT_PAYLOAD_NETWORK_HEADER:
		from = fromNetworkHeader
	case unix.NFT_PAYLOAD_TRANSPORT_HEADER:
		from = fromTransportHeader
	}
	e, ok := load(reg, int(min(number(d, unix.NFTA_PAYLOAD_LEN), registerBytes+1)), from)
	e.load.offset = number(d, unix.NFTA_PAYLOAD_OFFSET)
	return e, ok && e.load.offset < 1<<16
}

func parseImmediate(d []byte) (expression, bool) {
	data := netlink.Attribute(d, unix.NFTA_IMMEDIATE_DATA)
	if v := netlink.Attribute(data, unix.NFTA_DATA_VERDICT); v != nil {
		return expression{kind: exprVerdict, verdict: parseVerdict(v)}, true
	}
	dst, ok := registerAt(d, unix.NFTA_IMMEDIATE_DREG)
	low := value(d, unix.NFTA_IMMEDIATE_DATA)
	return expression{kind: exprImmediate, dst: dst, low: low}, ok && fits(dst, len(low))
}

func parseVerdict(b []byte) verdict {
	return verdict{int32(number(b, unix.NFTA_VERDICT_CODE)), text(b, unix.NFTA_VERDICT_CHAIN)}
}

func parseBitwise(d []byte) (expression, bool) {
	const operation = 6 // NFTA_BITWISE_OP: others than mask and XOR shift
	src, ok1 := registerAt(d, unix.NFTA_BITWISE_SREG)
	dst, ok2 := registerAt(d, unix.NFTA_BITWISE_DREG)
	n := number(d, unix.NFTA_BITWISE_LEN)
	if !ok1 || !ok2 || n > registerBytes || !fits(src, int(n)) || !fits(dst, int(n)) {
		return expression{}, false
	}
	e := expression{kind: exprBitwise, src: src, dst: dst, size: int(n),
		mask: value(d, unix.NFTA_BITWISE_MASK), xor: value(d, unix.NFTA_BITWISE_XOR)}
	return e, number(d, operation) == 0 && len(e.mask) == e.size && len(e.xor) == e.size
}

func parseCmp(d []byte) (expression, bool) {
	src, ok := registerAt(d, unix.NFTA_CMP_SREG)
	data := value(d, unix.NFTA_CMP_DATA)
	lowest, highest := make([]byte, len(data)), bytes.Repeat([]byte{0xff}, len(data))
	e := expression{kind: exprCompare, src: src, low: data, high: data}
	switch number(d, unix.NFTA_CMP_OP) {
	case unix.NFT_CMP_EQ:
	case unix.NFT_CMP_NEQ:
		e.invert = true
	case unix.NFT_CMP_LTE:
		e.low = lowest
	case unix.NFT_CMP_GTE:
		e.high = highest
	case unix.NFT_CMP_LT: // not from here up
		e.high, e.invert = highest, true
	case unix.NFT_CMP_GT: // not up to here
		e.low, e.invert = lowest, true
	default:
		ok = false
	}
	return e, ok && fits(src, len(data))
}

func parseRange(d []byte) (expression, bool) {
	src, ok := registerAt(d, unix.NFTA_RANGE_SREG)
	low, high := value(d, unix.NFTA_RANGE_FROM_DATA), value(d, unix.NFTA_RANGE_TO_DATA)
	op := number(d, unix.NFTA_RANGE_OP)
	e := expression{kind: exprCompare, src: src, low: low, high: high, invert: op == unix.NFT_RANGE_NEQ}
	return e, ok && op <= unix.NFT_RANGE_NEQ && len(low) == len(high) && fits(src, len(low))
}

func parseLookup(d []byte) (expression, bool) {
	e := expression{kind: exprLookup, lookup: lookup{set: text(d, unix.NFTA_LOOKUP_SET)}}
	e.invert = number(d, unix.NFTA_LOOKUP_FLAGS)&unix.NFT_LOOKUP_F_INV != 0
	var ok bool
	e.src, ok = registerAt(d, unix.NFTA_LOOKUP_SREG)
	if dst := netlink.Attribute(d, unix.NFTA_LOOKUP_DREG); dst != nil {
		e.lookup.isMap = true
		e.dst, _ = register(dst) // the verdict's register is none: the elements of the map have verdicts then
	}
	return e, ok && e.lookup.set != ""
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
	return first, last, ok && (first < 0 || fits(first, 2) && fits(last, 2))
}

func parseNAT(d []byte) (expression, bool) {
	if number(d, unix.NFTA_NAT_TYPE) != unix.NFT_NAT_DNAT {
		// Source NAT does not belong to these hooks.
		return expression{kind: exprVerdict, verdict: verdict{code: nfAccept}}, true
	}
	first, last, ok := parseNATPorts(d, unix.NFTA_NAT_REG_PROTO_MIN, unix.NFTA_NAT_REG_PROTO_MAX)
	e := expression{kind: exprNAT, nat: natRegisters{-1, first, last}, size: 4}
	if number(d, unix.NFTA_NAT_FAMILY) == unix.NFPROTO_IPV6 {
		e.size = 16
	}
	if b := netlink.Attribute(d, unix.NFTA_NAT_REG_ADDR_MIN); b != nil && ok {
		e.nat.addr, ok = register(b)
		ok = ok && fits(e.nat.addr, e.size)
	}
	// Of a prefix (NF_NAT_RANGE_NETMAP) and of a range only the first address is read.
	return e, ok
}

// parseMeta reads the expression that loads what is known beside the packet.
func parseMeta(d []byte) (expression, bool) {
	reg := netlink.Attribute(d, unix.NFTA_META_DREG)
	if reg == nil {
		return expression{}, netlink.Attribute(d, unix.NFTA_META_SREG) != nil // it marks the packet
	}
	switch number(d, unix.NFTA_META_KEY) {
	case unix.NFT_META_L4PROTO:
		return load(reg, 1, fromL4Proto)
	case unix.NFT_META_NFPROTO:
		return load(reg, 1, fromNFProto)
	case unix.NFT_META_PROTOCOL:
		return load(reg, 2, fromEtherType)
	case unix.NFT_META_IIF:
		return load(reg, 4, fromIIF)
	case unix.NFT_META_OIF:
		return load(reg, 4, fromOIF)
	case unix.NFT_META_IIFNAME:
		return load(reg, unix.IFNAMSIZ, fromIIFName)
	case unix.NFT_META_OIFNAME:
		return load(reg, unix.IFNAMSIZ, fromOIFName)
	case unix.NFT_META_MARK:
		return load(reg, 4, fromMark)
	case unix.NFT_META_SKUID, unix.NFT_META_SKGID, unix.NFT_META_CGROUP:
		return load(reg, 4, fromSender)
	case unix.NFT_META_PRANDOM:
		return load(reg, 4, fromRandom)
	}
	return expression{}, false
}

func parseConntrack(d []byte) (expression, bool) {
	reg := netlink.Attribute(d, unix.NFTA_CT_DREG)
	if reg == nil {
		return expression{}, netlink.Attribute(d, unix.NFTA_CT_SREG) != nil // it marks the connection
	}
	switch number(d, unix.NFTA_CT_KEY) {
	case unix.NFT_CT_STATE:
		return load(reg, 4, fromConnState)
	case unix.NFT_CT_MARK:
		return load(reg, 4, fromMark)
	}
	return expression{}, false
}

func parseFIB(d []byte) (expression, bool) {
	from := fromElsewhere
	destination := number(d, unix.NFTA_FIB_FLAGS)&unix.NFTA_FIB_F_DADDR != 0
	if destination && number(d, unix.NFTA_FIB_RESULT) == unix.NFT_FIB_RESULT_ADDRTYPE {
		from = fromAddrType
	}
	return load(netlink.Attribute(d, unix.NFTA_FIB_DREG), 4, from)
}
