package local

import (
	"bytes"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"onmux/probe/netlink"
)

// natChain is a chain of a table; base chains are called by the kernel.
type natChain struct {
	family   nftFamily
	table    string
	name     string
	base     bool
	nat      bool // of type nat
	hook     uint32
	priority int32
}

// parseChain reads the attributes of NFT_MSG_NEWCHAIN.
func parseChain(family nftFamily, b []byte) natChain {
	hook := netlink.Attribute(b, unix.NFTA_CHAIN_HOOK)
	return natChain{
		family: family, table: netlink.Text(netlink.Attribute(b, unix.NFTA_CHAIN_TABLE)), name: netlink.Text(netlink.Attribute(b, unix.NFTA_CHAIN_NAME)),
		base: hook != nil, nat: netlink.Text(netlink.Attribute(b, unix.NFTA_CHAIN_TYPE)) == "nat",
		hook: be32(netlink.Attribute(hook, unix.NFTA_HOOK_HOOKNUM)), priority: int32(be32(netlink.Attribute(hook, unix.NFTA_HOOK_PRIORITY))),
	}
}

// op is what a step of a rule does.
type op uint8

const (
	opNone    op = iota // what neither asks nor decides
	opLoad              // bytes of the packet, or what is known of it, into registers
	opSet               // constants into registers
	opMask              // registers AND data, XOR more
	opCompare           // registers with data, or a range
	opLookup            // registers in a set or map
	opVerdict           // jump, accept and so on
	opNAT               // to an address and port in registers
	opSend              // to a fixed address, as iptables has it
	opPorts             // the port is one of some, as iptables has it
	opOnly              // a condition that only goes by a name
	opUnread            // a target that is not understood
	opForget            // something wrote to registers that was not understood
)

// step is one expression of a rule. Registers are counted in bytes from NFT_REG_1
// on, which NFT_REG32_00 shares.
type step struct {
	op      op
	at, to  int     // register read, register written; of NAT the address's and the port's, -1 if there is none
	max     int     // of NAT: register of the last port
	n       int     // bytes
	load    loading // what is loaded
	offset  uint32  // of a load from the packet
	a, b    []byte  // the ends of a range, both included; or mask and XOR
	invert  bool
	mapping bool   // a lookup writes to a register
	name    string // of a set, or of a condition
	verdict verdict
	ports   []Span     // of opPorts; of opSend one at most
	addr    netip.Addr // of opSend; invalid: this machine
}

// verdict is what a rule decides (linux/netfilter/nf_tables.h).
type verdict struct {
	code  int32
	chain string
}

// The verdicts.
const (
	nfDrop      = 0
	nfAccept    = 1
	nftContinue = -1
	nftBreak    = -2
	nftJump     = -3
	nftGoto     = -4
	nftReturn   = -5
)

// registers are 64 bytes: NFT_REG_1 to NFT_REG_4, or NFT_REG32_00 to _15.
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

// parseRule reads the expressions of NFT_MSG_NEWRULE. What is not understood is
// an opOnly: a condition that may or may not hold.
func parseRule(family nftFamily, b []byte) (chain string, steps []step) {
	chain = netlink.Text(netlink.Attribute(b, unix.NFTA_RULE_CHAIN))
	for _, e := range netlink.Attributes(netlink.Attribute(b, unix.NFTA_RULE_EXPRESSIONS)) {
		name, data := netlink.Text(netlink.Attribute(e, unix.NFTA_EXPR_NAME)), netlink.Attribute(e, unix.NFTA_EXPR_DATA)
		switch name {
		case "match":
			steps = append(steps, parseMatch(data)...)
		case "target":
			steps = append(steps, parseTarget(family, data)...)
		case "counter", "log", "last", "dynset", "notrack":
			// neither conditions nor verdicts
		default:
			s, ok := parseStep(name, data)
			if !ok {
				steps = append(steps, step{op: opForget})
				s = step{op: opOnly, name: "an expression that is not understood here (" + printable(name) + ")"}
			}
			steps = append(steps, s)
		}
	}
	return chain, steps
}

// parseStep reads one expression; false if it is not understood. The bytes are
// copied.
func parseStep(name string, d []byte) (step, bool) {
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
		return loads(netlink.Attribute(d, unix.NFTA_NG_DREG), 4, fromChance)
	case "hash":
		return loads(netlink.Attribute(d, unix.NFTA_HASH_DREG), 4, fromChance)
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
		from, to, ok := natPorts(d, unix.NFTA_REDIR_REG_PROTO_MIN, unix.NFTA_REDIR_REG_PROTO_MAX)
		return step{op: opNAT, at: -1, to: from, max: to}, ok
	case "nat":
		return parseNAT(d)
	case "reject":
		return step{op: opVerdict, verdict: verdict{code: nfDrop}}, true
	case "limit":
		return step{op: opOnly, name: "the rate"}, true
	case "quota", "connlimit":
		return step{op: opOnly, name: "a " + name}, true
	case "objref":
		const kind = 1 // NFTA_OBJREF_IMM_TYPE
		if be32(netlink.Attribute(d, kind)) == unix.NFT_OBJECT_COUNTER {
			return step{}, true
		}
		return step{op: opOnly, name: "a named object"}, true
	}
	return step{}, false
}

// loads is a step that loads n bytes into a register.
func loads(reg []byte, n int, what loading) (step, bool) {
	to, ok := register(reg)
	return step{op: opLoad, to: to, n: n, load: what}, ok && fits(to, n)
}

func parsePayload(d []byte) (step, bool) {
	if netlink.Attribute(d, unix.NFTA_PAYLOAD_DREG) == nil {
		return step{}, false // it changes the packet
	}
	n := be32(netlink.Attribute(d, unix.NFTA_PAYLOAD_LEN))
	what := fromElse
	switch be32(netlink.Attribute(d, unix.NFTA_PAYLOAD_BASE)) {
	case unix.NFT_PAYLOAD_NETWORK_HEADER:
		what = fromNetwork
	case unix.NFT_PAYLOAD_TRANSPORT_HEADER:
		what = fromTransport
	}
	s, ok := loads(netlink.Attribute(d, unix.NFTA_PAYLOAD_DREG), int(min(n, registerBytes+1)), what)
	s.offset = be32(netlink.Attribute(d, unix.NFTA_PAYLOAD_OFFSET))
	return s, ok && s.offset < 1<<16
}

func fits(at, n int) bool { return at >= 0 && n > 0 && at+n <= registerBytes }

func parseImmediate(d []byte) (step, bool) {
	data := netlink.Attribute(d, unix.NFTA_IMMEDIATE_DATA)
	if v := netlink.Attribute(data, unix.NFTA_DATA_VERDICT); v != nil {
		return step{op: opVerdict, verdict: parseVerdict(v)}, true
	}
	to, ok := register(netlink.Attribute(d, unix.NFTA_IMMEDIATE_DREG))
	a := slices.Clone(netlink.Attribute(data, unix.NFTA_DATA_VALUE))
	return step{op: opSet, to: to, a: a}, ok && fits(to, len(a))
}

func parseVerdict(b []byte) verdict {
	return verdict{int32(be32(netlink.Attribute(b, unix.NFTA_VERDICT_CODE))), netlink.Text(netlink.Attribute(b, unix.NFTA_VERDICT_CHAIN))}
}

func parseBitwise(d []byte) (step, bool) {
	const operation = 6 // NFTA_BITWISE_OP: others than mask and XOR shift
	at, ok1 := register(netlink.Attribute(d, unix.NFTA_BITWISE_SREG))
	to, ok2 := register(netlink.Attribute(d, unix.NFTA_BITWISE_DREG))
	n := be32(netlink.Attribute(d, unix.NFTA_BITWISE_LEN))
	if !ok1 || !ok2 || n > registerBytes || !fits(at, int(n)) || !fits(to, int(n)) {
		return step{}, false
	}
	s := step{op: opMask, at: at, to: to, n: int(n),
		a: slices.Clone(netlink.Attribute(netlink.Attribute(d, unix.NFTA_BITWISE_MASK), unix.NFTA_DATA_VALUE)),
		b: slices.Clone(netlink.Attribute(netlink.Attribute(d, unix.NFTA_BITWISE_XOR), unix.NFTA_DATA_VALUE))}
	return s, be32(netlink.Attribute(d, operation)) == 0 && len(s.a) == s.n && len(s.b) == s.n
}

func parseCmp(d []byte) (step, bool) {
	at, ok := register(netlink.Attribute(d, unix.NFTA_CMP_SREG))
	value := slices.Clone(netlink.Attribute(netlink.Attribute(d, unix.NFTA_CMP_DATA), unix.NFTA_DATA_VALUE))
	lowest, highest := make([]byte, len(value)), bytes.Repeat([]byte{0xff}, len(value))
	s := step{op: opCompare, at: at, a: value, b: value}
	switch be32(netlink.Attribute(d, unix.NFTA_CMP_OP)) {
	case unix.NFT_CMP_EQ:
	case unix.NFT_CMP_NEQ:
		s.invert = true
	case unix.NFT_CMP_LTE:
		s.a = lowest
	case unix.NFT_CMP_GTE:
		s.b = highest
	case unix.NFT_CMP_LT: // not from here up
		s.b, s.invert = highest, true
	case unix.NFT_CMP_GT: // not up to here
		s.a, s.invert = lowest, true
	default:
		ok = false
	}
	return s, ok && fits(at, len(value))
}

func parseRange(d []byte) (step, bool) {
	at, ok := register(netlink.Attribute(d, unix.NFTA_RANGE_SREG))
	a := slices.Clone(netlink.Attribute(netlink.Attribute(d, unix.NFTA_RANGE_FROM_DATA), unix.NFTA_DATA_VALUE))
	b := slices.Clone(netlink.Attribute(netlink.Attribute(d, unix.NFTA_RANGE_TO_DATA), unix.NFTA_DATA_VALUE))
	op := be32(netlink.Attribute(d, unix.NFTA_RANGE_OP))
	return step{op: opCompare, at: at, a: a, b: b, invert: op == unix.NFT_RANGE_NEQ}, ok && op <= unix.NFT_RANGE_NEQ && len(a) == len(b) && fits(at, len(a))
}

func parseLookup(d []byte) (step, bool) {
	s := step{op: opLookup, name: netlink.Text(netlink.Attribute(d, unix.NFTA_LOOKUP_SET)), invert: be32(netlink.Attribute(d, unix.NFTA_LOOKUP_FLAGS))&unix.NFT_LOOKUP_F_INV != 0}
	var ok bool
	s.at, ok = register(netlink.Attribute(d, unix.NFTA_LOOKUP_SREG))
	if to := netlink.Attribute(d, unix.NFTA_LOOKUP_DREG); to != nil {
		s.mapping = true
		s.to, _ = register(to) // a verdict's register is none, and told by the map's elements
	}
	return s, ok && s.name != ""
}

// natPorts is the registers of the first and the last port; -1 if there is none.
func natPorts(d []byte, first, last uint16) (from, to int, ok bool) {
	from, to, ok = -1, -1, true
	if b := netlink.Attribute(d, first); b != nil {
		from, ok = register(b)
		to = from
	}
	if b := netlink.Attribute(d, last); b != nil && ok {
		to, ok = register(b)
	}
	return from, to, ok && (from < 0 || fits(from, 2) && fits(to, 2))
}

func parseNAT(d []byte) (step, bool) {
	if be32(netlink.Attribute(d, unix.NFTA_NAT_TYPE)) != unix.NFT_NAT_DNAT {
		return step{op: opVerdict, verdict: verdict{code: nfAccept}}, true // of the source: not of these hooks
	}
	ports, last, ok := natPorts(d, unix.NFTA_NAT_REG_PROTO_MIN, unix.NFTA_NAT_REG_PROTO_MAX)
	s := step{op: opNAT, at: -1, to: ports, max: last, n: 4}
	if be32(netlink.Attribute(d, unix.NFTA_NAT_FAMILY)) == unix.NFPROTO_IPV6 {
		s.n = 16
	}
	if b := netlink.Attribute(d, unix.NFTA_NAT_REG_ADDR_MIN); b != nil && ok {
		s.at, ok = register(b)
		ok = ok && fits(s.at, s.n)
	}
	// A prefix (NF_NAT_RANGE_NETMAP) and a range are told as what they start with.
	return s, ok
}

// parseMeta reads the expression that loads what is known beside the packet.
func parseMeta(d []byte) (step, bool) {
	reg := netlink.Attribute(d, unix.NFTA_META_DREG)
	if reg == nil {
		return step{}, netlink.Attribute(d, unix.NFTA_META_SREG) != nil // it marks the packet
	}
	switch be32(netlink.Attribute(d, unix.NFTA_META_KEY)) {
	case unix.NFT_META_L4PROTO:
		return loads(reg, 1, fromL4Proto)
	case unix.NFT_META_NFPROTO:
		return loads(reg, 1, fromNFProto)
	case unix.NFT_META_PROTOCOL:
		return loads(reg, 2, fromEtherType)
	case unix.NFT_META_IIF:
		return loads(reg, 4, fromIIF)
	case unix.NFT_META_OIF:
		return loads(reg, 4, fromOIF)
	case unix.NFT_META_IIFNAME:
		return loads(reg, unix.IFNAMSIZ, fromIIFName)
	case unix.NFT_META_OIFNAME:
		return loads(reg, unix.IFNAMSIZ, fromOIFName)
	case unix.NFT_META_MARK:
		return loads(reg, 4, fromMark)
	case unix.NFT_META_SKUID, unix.NFT_META_SKGID, unix.NFT_META_CGROUP:
		return loads(reg, 4, fromUser)
	case unix.NFT_META_PRANDOM:
		return loads(reg, 4, fromChance)
	}
	return step{}, false
}

func parseConntrack(d []byte) (step, bool) {
	reg := netlink.Attribute(d, unix.NFTA_CT_DREG)
	switch {
	case reg == nil:
		return step{}, netlink.Attribute(d, unix.NFTA_CT_SREG) != nil // it marks the connection
	case be32(netlink.Attribute(d, unix.NFTA_CT_KEY)) == unix.NFT_CT_STATE:
		return loads(reg, 4, fromState)
	case be32(netlink.Attribute(d, unix.NFTA_CT_KEY)) == unix.NFT_CT_MARK:
		return loads(reg, 4, fromMark)
	}
	return step{}, false
}

func parseFIB(d []byte) (step, bool) {
	what := fromElse
	if be32(netlink.Attribute(d, unix.NFTA_FIB_FLAGS))&unix.NFTA_FIB_F_DADDR != 0 && be32(netlink.Attribute(d, unix.NFTA_FIB_RESULT)) == unix.NFT_FIB_RESULT_ADDRTYPE {
		what = fromAddrType
	}
	return loads(netlink.Attribute(d, unix.NFTA_FIB_DREG), 4, what)
}
