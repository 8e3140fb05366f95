package ruleset

import (
	"bytes"
	"net/netip"
	"slices"

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
	exprRewrite                       // registers into a header
	exprTPROXY                        // to a socket of this machine at an address and port in registers
	exprXTTPROXY                      // to a fixed one, of iptables
	exprUntrack                       // the connection is not tracked
	exprMark                          // registers into a mark
	exprXTMark                        // constants into the mark, of iptables
	exprAssumed                       // holds if there is a route back to the source
	exprCondition                     // may or may not hold
	exprUnknownTarget                 // not understood
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
	name   string // of what has no origin of its own
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
	nfReject  = -100 // not the kernel's: a drop with an answer
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
		case "counter", "log", "last", "dup":
			// neither conditions nor verdicts
		default:
			e, ok := parseExpression(name, data)
			switch {
			case ok:
				exprs = append(exprs, e)
			case slices.Contains(conditionsOnly(), name):
				exprs = append(exprs, expression{kind: exprUnknownWrite}, named(UnknownExpression, name))
			default:
				exprs = append(exprs, expression{kind: exprUnknownTarget, condition: Condition{UnknownTarget, name}})
			}
		}
	}
	return text(b, unix.NFTA_RULE_CHAIN), exprs
}

// conditionsOnly lists expressions that are not read, and that may end a rule or load
// registers, and no more.
func conditionsOnly() []string {
	return []string{
		"socket", "rt", "xfrm", "tunnel", "osf", "exthdr", "inner", "hash", "numgen", "meta", "ct", "fib", "payload", "bitwise",
		"cmp", "range", "lookup", "byteorder", "limit", "quota", "connlimit", "dynset", "immediate", "secmark", "flow_offload",
	}
}

// named is a condition with a name.
func named(kind ConditionKind, name string) expression {
	e := depends(kind)
	e.condition.Name = name
	return e
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
		return expression{kind: exprVerdict, verdict: verdict{code: nfReject}}, true
	case "tproxy":
		return parseTPROXY(d)
	case "notrack":
		return expression{kind: exprUntrack}, true
	case "dynset":
		return parseDynset(d)
	case "limit":
		return depends(Rate), true
	case "quota":
		return depends(Quota), true
	case "connlimit":
		return depends(ConnectionLimit), true
	case "objref":
		return parseObject(d)
	}
	return expression{}, false
}

// load is an expression that loads bytes into a register.
func load(reg []byte, size int, from origin) (expression, bool) {
	dst, ok := register(reg)
	return expression{kind: exprLoad, dst: dst, size: size, load: loading{from: from}}, ok && fits(dst, size)
}

// parsePayload reads the expression that loads bytes of a header, or writes them.
func parsePayload(d []byte) (expression, bool) {
	from, name := fromElsewhere, "the link layer's header"
	switch number(d, unix.NFTA_PAYLOAD_BASE) {
	case unix.NFT_PAYLOAD_NETWORK_HEADER:
		from, name = fromNetworkHeader, "the IP header"
	case unix.NFT_PAYLOAD_TRANSPORT_HEADER:
		from, name = fromTransportHeader, "the transport header"
	}
	size, offset := int(min(number(d, unix.NFTA_PAYLOAD_LEN), registerBytes+1)), number(d, unix.NFTA_PAYLOAD_OFFSET)
	if b := netlink.Attribute(d, unix.NFTA_PAYLOAD_SREG); b != nil {
		src, ok := register(b)
		return expression{kind: exprRewrite, src: src, size: size, load: loading{from: from, offset: offset}},
			ok && fits(src, size) && offset < 1<<16
	}
	e, ok := load(netlink.Attribute(d, unix.NFTA_PAYLOAD_DREG), size, from)
	e.load.offset, e.load.name = offset, name
	return e, ok && e.load.offset < 1<<16
}

// parseTPROXY reads the registers of the address and the port of a socket; -1 if
// there is none.
func parseTPROXY(d []byte) (expression, bool) {
	const family, addr, port = 1, 2, 3 // NFTA_TPROXY_FAMILY and so on
	e := expression{kind: exprTPROXY, nat: natRegisters{-1, -1, -1}, size: 4}
	if number(d, family) == unix.NFPROTO_IPV6 {
		e.size = 16
	}
	ok := true
	if b := netlink.Attribute(d, addr); b != nil {
		e.nat.addr, ok = register(b)
		ok = ok && fits(e.nat.addr, e.size)
	}
	if b := netlink.Attribute(d, port); b != nil && ok {
		e.nat.first, ok = register(b)
		e.nat.last = e.nat.first
		ok = ok && fits(e.nat.first, 2)
	}
	return e, ok
}

// parseDynset reads an expression that adds an element to a set. One with
// expressions of its own, as a rate for each source, is a condition.
func parseDynset(d []byte) (expression, bool) {
	const expr, flags, exprs = 7, 9, 10 // NFTA_DYNSET_EXPR and so on
	depending := number(d, flags)&unix.NFT_DYNSET_F_INV != 0
	if b := netlink.Attribute(d, expr); b != nil {
		depending = depending || !counts(b)
	}
	for _, b := range netlink.Attributes(netlink.Attribute(d, exprs)) {
		depending = depending || !counts(b)
	}
	if depending {
		return depends(Rate), true
	}
	return expression{}, true
}

// counts reports whether an expression only counts packets.
func counts(b []byte) bool {
	name := text(b, unix.NFTA_EXPR_NAME)
	return name == "counter" || name == "last"
}

// parseObject reads a reference to a named object.
func parseObject(d []byte) (expression, bool) {
	const objectType, expectation, synproxy = 1, 9, 10 // NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_CT_EXPECT, NFT_OBJECT_SYNPROXY
	if netlink.Attribute(d, objectType) == nil {
		return depends(NamedObject), true // that a map has, if it has one
	}
	switch number(d, objectType) {
	case unix.NFT_OBJECT_COUNTER, unix.NFT_OBJECT_CT_HELPER, unix.NFT_OBJECT_CT_TIMEOUT, unix.NFT_OBJECT_SECMARK,
		unix.NFT_OBJECT_TUNNEL, expectation:
		return expression{}, true
	case synproxy:
		return expression{}, false
	}
	return depends(NamedObject), true
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
	key := number(d, unix.NFTA_META_KEY)
	reg := netlink.Attribute(d, unix.NFTA_META_DREG)
	if reg == nil {
		return parseMark(netlink.Attribute(d, unix.NFTA_META_SREG), key == unix.NFT_META_MARK, fromMark)
	}
	switch key {
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
	case unix.NFT_META_PKTTYPE:
		return load(reg, 1, fromPacketType)
	}
	return expression{}, false
}

// parseMark reads an expression that sets a mark, or something else of the packet
// that no expression here depends on.
func parseMark(reg []byte, isMark bool, which origin) (expression, bool) {
	if !isMark || reg == nil {
		return expression{}, reg != nil
	}
	src, ok := register(reg)
	return expression{kind: exprMark, src: src, load: loading{from: which}}, ok && fits(src, 4)
}

func parseConntrack(d []byte) (expression, bool) {
	key := number(d, unix.NFTA_CT_KEY)
	reg := netlink.Attribute(d, unix.NFTA_CT_DREG)
	if reg == nil {
		return parseMark(netlink.Attribute(d, unix.NFTA_CT_SREG), key == unix.NFT_CT_MARK, fromConnMark)
	}
	const srcIP, dstIP, srcIP6, dstIP6 = 19, 20, 21, 22 // NFT_CT_SRC_IP and so on
	original := netlink.Attribute(d, unix.NFTA_CT_DIRECTION) != nil && !reply(d)
	switch key {
	case unix.NFT_CT_STATE:
		return load(reg, 4, fromConnState)
	case unix.NFT_CT_STATUS:
		return load(reg, 4, fromConnStatus)
	case unix.NFT_CT_DIRECTION:
		return load(reg, 1, fromDirection)
	case unix.NFT_CT_MARK:
		return load(reg, 4, fromConnMark)
	case unix.NFT_CT_PROTOCOL:
		return load(reg, 1, fromL4Proto)
	case unix.NFT_CT_L3PROTOCOL:
		return load(reg, 1, fromNFProto)
	case unix.NFT_CT_PROTO_DST:
		if original {
			return load(reg, 2, fromOriginalPort)
		}
	case dstIP:
		if original {
			return load(reg, 4, fromOriginalAddr)
		}
	case dstIP6:
		if original {
			return load(reg, 16, fromOriginalAddr)
		}
	case srcIP:
		if original {
			return load(reg, 4, fromSourceAddr)
		}
	case srcIP6:
		if original {
			return load(reg, 16, fromSourceAddr)
		}
	}
	return expression{}, false
}

// reply reports whether an expression looks at the direction of replies
// (IP_CT_DIR_REPLY).
func reply(d []byte) bool {
	return !bytes.Equal(netlink.Attribute(d, unix.NFTA_CT_DIRECTION), []byte{0})
}

// parseFIB reads a look-up in the routing tables.
func parseFIB(d []byte) (expression, bool) {
	const present = 1 << 5 // NFTA_FIB_F_PRESENT
	from, size := fromElsewhere, 4
	flags, result := number(d, unix.NFTA_FIB_FLAGS), number(d, unix.NFTA_FIB_RESULT)
	switch {
	case flags&unix.NFTA_FIB_F_DADDR != 0 && result == unix.NFT_FIB_RESULT_ADDRTYPE:
		from = fromAddrType
	case flags&unix.NFTA_FIB_F_SADDR != 0 && result != unix.NFT_FIB_RESULT_ADDRTYPE:
		from = fromRouteBack
	}
	switch {
	case flags&present != 0:
		size = 1
	case result == unix.NFT_FIB_RESULT_OIFNAME:
		size = unix.IFNAMSIZ
	}
	e, ok := load(netlink.Attribute(d, unix.NFTA_FIB_DREG), size, from)
	e.load.name = "fib"
	return e, ok
}
