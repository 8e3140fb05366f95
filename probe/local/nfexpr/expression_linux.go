package nfexpr

import (
	"bytes"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// Kind is what an expression of a rule does.
type Kind uint8

const (
	KindNone          Kind = iota // neither a condition nor a verdict
	KindLoad                      // bytes of the packet, or what is known of it, into registers
	KindImmediate                 // constants into registers
	KindBitwise                   // registers AND a mask, XOR a value
	KindCompare                   // registers with a value or a range
	KindLookup                    // registers in a set or map
	KindVerdict                   // jump, accept and so on
	KindNAT                       // to an address and port in registers
	KindXTNAT                     // to a fixed address and port, of iptables
	KindXTPorts                   // the destination port is one of some, of iptables
	KindRewrite                   // registers into a header
	KindTPROXY                    // to a socket of this machine at an address and port in registers
	KindXTTPROXY                  // to a fixed one, of iptables
	KindUntrack                   // the connection is not tracked
	KindMark                      // registers into a mark
	KindXTMark                    // constants into the mark, of iptables
	KindAssumed                   // holds if there is a route back to the source
	KindCondition                 // may or may not hold
	KindUnknownTarget             // not understood
	KindUnknownWrite              // may have written to any register
)

// Expression is one of a rule. Registers are counted in bytes from NFT_REG_1 on,
// which NFT_REG32_00 shares.
type Expression struct {
	Kind      Kind
	Src, Dst  int    // register read, register written
	Size      int    // of registers, in bytes
	Low, High []byte // of a comparison: the ends of a range, both included; of KindImmediate low
	Mask, XOR []byte
	Invert    bool
	Load      Loading
	Lookup    SetLookup
	NAT       natRegisters
	XT        xtTarget
	Condition Condition
	Verdict   Verdict
}

// Loading is what an KindLoad puts into registers.
type Loading struct {
	From   Origin
	Offset uint32 // in a header of the packet
	Name   string // of what has no origin of its own
}

// SetLookup is which set an KindLookup looks into.
type SetLookup struct {
	Set   string
	IsMap bool // it writes to a register
}

// xtTarget is the ports of an KindXTPorts, or where an KindXTNAT sends packets.
type xtTarget struct {
	Ports []PortRange // of a target one at most
	Addr  netip.Addr  // not valid: this machine
}

// Verdict is what a rule decides (linux/netfilter/nf_tables.h).
type Verdict struct {
	Code  int32
	Chain string
}

// The codes of verdicts.
const (
	Reject = -100 // not the kernel's: a drop with an answer
	Drop   = 0
	Accept = 1
	Jump   = -3
	Goto   = -4
	Return = -5
)

// RegisterBytes is the size of NFT_REG_1 to NFT_REG_4, or NFT_REG32_00 to _15.
const RegisterBytes = 64

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

// Fits reports whether some bytes from a register on exist.
func Fits(at, n int) bool { return at >= 0 && n > 0 && at+n <= RegisterBytes }

// ParseRule reads the expressions of NFT_MSG_NEWRULE. What is not understood is a
// condition that may or may not hold.
func ParseRule(family Family, b []byte) (chain string, exprs []Expression) {
	for _, e := range netlink.Attributes(netlink.Attribute(b, unix.NFTA_RULE_EXPRESSIONS)) {
		name, data := Text(e, unix.NFTA_EXPR_NAME), netlink.Attribute(e, unix.NFTA_EXPR_DATA)
		switch name {
		case "match":
			exprs = append(exprs, ParseMatch(data)...)
		case "target":
			exprs = append(exprs, ParseTarget(family, data)...)
		case "counter", "log", "last", "dup":
			// neither conditions nor verdicts
		default:
			e, ok := parseExpression(name, data)
			switch {
			case ok:
				exprs = append(exprs, e)
			case slices.Contains(conditionsOnly(), name):
				exprs = append(exprs, Expression{Kind: KindUnknownWrite}, named(UnknownExpression, name))
			default:
				exprs = append(exprs, Expression{Kind: KindUnknownTarget, Condition: Condition{UnknownTarget, name}})
			}
		}
	}
	return Text(b, unix.NFTA_RULE_CHAIN), exprs
}

// conditionsOnly lists expressions that are not read, and that may end a rule or load
// registers, and no more.
func conditionsOnly() []string {
	return []string{
		"socket", "rt", "xfrm", "tunnel", "osf", "exthdr", "inner", "hash", "numgen", "meta", "ct", "fib", "payload",
		"bitwise",
		"cmp", "range", "lookup", "byteorder", "limit", "quota", "connlimit", "dynset", "immediate", "secmark",
		"flow_offload",
	}
}

// named is a condition with a name.
func named(kind ConditionKind, name string) Expression {
	e := depends(kind)
	e.Condition.Name = name
	return e
}

// depends is an expression that may or may not hold.
func depends(kind ConditionKind) Expression {
	return Expression{Kind: KindCondition, Condition: Condition{Kind: kind}}
}

// parseExpression reads one expression; false if it is not understood. The bytes are
// copied.
func parseExpression(name string, d []byte) (Expression, bool) {
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
		return Expression{Kind: KindNAT, NAT: natRegisters{-1, first, last}}, ok
	case "nat":
		return parseNAT(d)
	case "masq": // source NAT
		return Expression{Kind: KindVerdict, Verdict: Verdict{Code: Accept}}, true
	case "reject":
		return Expression{Kind: KindVerdict, Verdict: Verdict{Code: Reject}}, true
	case "tproxy":
		return parseTPROXY(d)
	case "notrack":
		return Expression{Kind: KindUntrack}, true
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
	return Expression{}, false
}

// load is an expression that loads bytes into a register.
func load(reg []byte, size int, from Origin) (Expression, bool) {
	dst, ok := register(reg)
	return Expression{Kind: KindLoad, Dst: dst, Size: size, Load: Loading{From: from}}, ok && Fits(dst, size)
}

// parsePayload reads the expression that loads bytes of a header, or writes them.
func parsePayload(d []byte) (Expression, bool) {
	from, name := FromElsewhere, "the link layer's header"
	switch Number(d, unix.NFTA_PAYLOAD_BASE) {
	case unix.NFT_PAYLOAD_NETWORK_HEADER:
		from, name = FromNetworkHeader, "the IP header"
	case unix.NFT_PAYLOAD_TRANSPORT_HEADER:
		from, name = FromTransportHeader, "the transport header"
	}
	size, offset := int(min(Number(d, unix.NFTA_PAYLOAD_LEN), RegisterBytes+1)), Number(d, unix.NFTA_PAYLOAD_OFFSET)
	if b := netlink.Attribute(d, unix.NFTA_PAYLOAD_SREG); b != nil {
		src, ok := register(b)
		const ethernet = 14 // bytes: a write behind that header is one to the next
		switch base := Number(d, unix.NFTA_PAYLOAD_BASE); {
		case base != unix.NFT_PAYLOAD_LL_HEADER || offset+uint32(size) <= ethernet:
		case offset < ethernet:
			return Expression{Kind: KindUnknownTarget, Condition: Condition{UnknownTarget, "payload"}}, true
		default:
			from, offset = FromNetworkHeader, offset-ethernet
		}
		return Expression{Kind: KindRewrite, Src: src, Size: size, Load: Loading{From: from, Offset: offset}},
			ok && Fits(src, size) && offset < 1<<16
	}
	e, ok := load(netlink.Attribute(d, unix.NFTA_PAYLOAD_DREG), size, from)
	e.Load.Offset, e.Load.Name = offset, name
	return e, ok && e.Load.Offset < 1<<16
}

func parseImmediate(d []byte) (Expression, bool) {
	data := netlink.Attribute(d, unix.NFTA_IMMEDIATE_DATA)
	if v := netlink.Attribute(data, unix.NFTA_DATA_VERDICT); v != nil {
		return Expression{Kind: KindVerdict, Verdict: parseVerdict(v)}, true
	}
	dst, ok := registerAt(d, unix.NFTA_IMMEDIATE_DREG)
	low := value(d, unix.NFTA_IMMEDIATE_DATA)
	return Expression{Kind: KindImmediate, Dst: dst, Low: low}, ok && Fits(dst, len(low))
}

func parseVerdict(b []byte) Verdict {
	return Verdict{int32(Number(b, unix.NFTA_VERDICT_CODE)), Text(b, unix.NFTA_VERDICT_CHAIN)}
}

func parseBitwise(d []byte) (Expression, bool) {
	const operation = 6 // NFTA_BITWISE_OP: others than mask and XOR shift
	src, ok1 := registerAt(d, unix.NFTA_BITWISE_SREG)
	dst, ok2 := registerAt(d, unix.NFTA_BITWISE_DREG)
	n := Number(d, unix.NFTA_BITWISE_LEN)
	if !ok1 || !ok2 || n > RegisterBytes || !Fits(src, int(n)) || !Fits(dst, int(n)) {
		return Expression{}, false
	}
	e := Expression{Kind: KindBitwise, Src: src, Dst: dst, Size: int(n),
		Mask: value(d, unix.NFTA_BITWISE_MASK), XOR: value(d, unix.NFTA_BITWISE_XOR)}
	return e, Number(d, operation) == 0 && len(e.Mask) == e.Size && len(e.XOR) == e.Size
}

func parseCmp(d []byte) (Expression, bool) {
	src, ok := registerAt(d, unix.NFTA_CMP_SREG)
	data := value(d, unix.NFTA_CMP_DATA)
	lowest, highest := make([]byte, len(data)), bytes.Repeat([]byte{0xff}, len(data))
	e := Expression{Kind: KindCompare, Src: src, Low: data, High: data}
	switch Number(d, unix.NFTA_CMP_OP) {
	case unix.NFT_CMP_EQ:
	case unix.NFT_CMP_NEQ:
		e.Invert = true
	case unix.NFT_CMP_LTE:
		e.Low = lowest
	case unix.NFT_CMP_GTE:
		e.High = highest
	case unix.NFT_CMP_LT: // not from here up
		e.High, e.Invert = highest, true
	case unix.NFT_CMP_GT: // not up to here
		e.Low, e.Invert = lowest, true
	default:
		ok = false
	}
	return e, ok && Fits(src, len(data))
}

func parseRange(d []byte) (Expression, bool) {
	src, ok := registerAt(d, unix.NFTA_RANGE_SREG)
	low, high := value(d, unix.NFTA_RANGE_FROM_DATA), value(d, unix.NFTA_RANGE_TO_DATA)
	op := Number(d, unix.NFTA_RANGE_OP)
	e := Expression{Kind: KindCompare, Src: src, Low: low, High: high, Invert: op == unix.NFT_RANGE_NEQ}
	return e, ok && op <= unix.NFT_RANGE_NEQ && len(low) == len(high) && Fits(src, len(low))
}

// parseMeta reads the expression that loads what is known beside the packet.
func parseMeta(d []byte) (Expression, bool) {
	key := Number(d, unix.NFTA_META_KEY)
	reg := netlink.Attribute(d, unix.NFTA_META_DREG)
	if reg == nil {
		if key == unix.NFT_META_PKTTYPE { // on which other rules, and the kernel, depend
			return Expression{Kind: KindUnknownTarget, Condition: Condition{UnknownTarget, "meta"}}, true
		}
		return parseMark(netlink.Attribute(d, unix.NFTA_META_SREG), key == unix.NFT_META_MARK, FromMark)
	}
	switch key {
	case unix.NFT_META_L4PROTO:
		return load(reg, 1, FromL4Proto)
	case unix.NFT_META_NFPROTO:
		return load(reg, 1, FromNFProto)
	case unix.NFT_META_PROTOCOL:
		return load(reg, 2, FromEtherType)
	case unix.NFT_META_IIF:
		return load(reg, 4, FromIIF)
	case unix.NFT_META_OIF:
		return load(reg, 4, FromOIF)
	case unix.NFT_META_IIFNAME:
		return load(reg, unix.IFNAMSIZ, FromIIFName)
	case unix.NFT_META_OIFNAME:
		return load(reg, unix.IFNAMSIZ, FromOIFName)
	case unix.NFT_META_MARK:
		return load(reg, 4, FromMark)
	case unix.NFT_META_SKUID, unix.NFT_META_SKGID, unix.NFT_META_CGROUP:
		return load(reg, 4, fromSender)
	case unix.NFT_META_PRANDOM:
		return load(reg, 4, fromRandom)
	case unix.NFT_META_PKTTYPE:
		return load(reg, 1, FromPacketType)
	}
	return Expression{}, false
}

// parseMark reads an expression that sets a mark, or something else of the packet
// that no expression here depends on.
func parseMark(reg []byte, isMark bool, which Origin) (Expression, bool) {
	if !isMark || reg == nil {
		return Expression{}, reg != nil
	}
	src, ok := register(reg)
	return Expression{Kind: KindMark, Src: src, Load: Loading{From: which}}, ok && Fits(src, 4)
}

func parseConntrack(d []byte) (Expression, bool) {
	key := Number(d, unix.NFTA_CT_KEY)
	reg := netlink.Attribute(d, unix.NFTA_CT_DREG)
	if reg == nil {
		return parseMark(netlink.Attribute(d, unix.NFTA_CT_SREG), key == unix.NFT_CT_MARK, FromConnMark)
	}
	const srcIP, dstIP, srcIP6, dstIP6 = 19, 20, 21, 22 // NFT_CT_SRC_IP and so on
	original := netlink.Attribute(d, unix.NFTA_CT_DIRECTION) != nil && !reply(d)
	switch key {
	case unix.NFT_CT_STATE:
		return load(reg, 4, FromConnState)
	case unix.NFT_CT_STATUS:
		return load(reg, 4, FromConnStatus)
	case unix.NFT_CT_DIRECTION:
		return load(reg, 1, FromDirection)
	case unix.NFT_CT_MARK:
		return load(reg, 4, FromConnMark)
	case unix.NFT_CT_PROTOCOL:
		return load(reg, 1, FromL4Proto)
	case unix.NFT_CT_L3PROTOCOL:
		return load(reg, 1, FromNFProto)
	case unix.NFT_CT_PROTO_DST:
		if original {
			return load(reg, 2, FromOriginalPort)
		}
	case dstIP:
		if original {
			return load(reg, 4, FromOriginalAddr)
		}
	case dstIP6:
		if original {
			return load(reg, 16, FromOriginalAddr)
		}
	case srcIP:
		if original {
			return load(reg, 4, FromSourceAddr)
		}
	case srcIP6:
		if original {
			return load(reg, 16, FromSourceAddr)
		}
	}
	return Expression{}, false
}

// reply reports whether an expression looks at the direction of replies
// (IP_CT_DIR_REPLY).
func reply(d []byte) bool {
	return !bytes.Equal(netlink.Attribute(d, unix.NFTA_CT_DIRECTION), []byte{0})
}

// parseFIB reads a look-up in the routing tables.
func parseFIB(d []byte) (Expression, bool) {
	const present = 1 << 5 // NFTA_FIB_F_PRESENT
	from, size := FromElsewhere, 4
	flags, result := Number(d, unix.NFTA_FIB_FLAGS), Number(d, unix.NFTA_FIB_RESULT)
	switch {
	case flags&unix.NFTA_FIB_F_DADDR != 0 && result == unix.NFT_FIB_RESULT_ADDRTYPE:
		from = FromAddrType
	case flags&unix.NFTA_FIB_F_SADDR != 0 && result != unix.NFT_FIB_RESULT_ADDRTYPE:
		from = FromRouteBack
	}
	switch {
	case flags&present != 0:
		size = 1
	case result == unix.NFT_FIB_RESULT_OIFNAME:
		size = unix.IFNAMSIZ
	}
	e, ok := load(netlink.Attribute(d, unix.NFTA_FIB_DREG), size, from)
	e.Load.Name = "fib"
	return e, ok
}
