package nft

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// Table is a table of the calling thread's network namespace, which Flush writes.
type Table struct {
	*nftables.Conn
	table *nftables.Table
	sets  int
}

// New begins a table "nat", which is for rules of filters, too.
func New(family nftables.TableFamily) *Table {
	c, _ := nftables.New()
	return &Table{Conn: c, table: c.AddTable(&nftables.Table{Name: "nat", Family: family})}
}

// Base adds a base chain of type nat.
func (t *Table) Base(name string, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
	return t.AddChain(&nftables.Chain{
		Name: name, Table: t.table, Type: nftables.ChainTypeNAT, Hooknum: hook, Priority: priority,
	})
}

// Prerouting adds the base chain "pre", for what arrives.
func (t *Table) Prerouting() *nftables.Chain {
	return t.Base("pre", nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest)
}

// Output adds the base chain "out", for what this machine sends.
func (t *Table) Output() *nftables.Chain {
	return t.Base("out", nftables.ChainHookOutput, nftables.ChainPriorityNATDest)
}

// Filter adds a base chain of type filter, named after its hook.
func (t *Table) Filter(hook *nftables.ChainHook) *nftables.Chain {
	return t.AddChain(&nftables.Chain{
		Name: fmt.Sprintf("filter%d", *hook), Table: t.table, Type: nftables.ChainTypeFilter, Hooknum: hook,
		Priority: nftables.ChainPriorityFilter,
	})
}

// Delete removes the table, at once.
func (t *Table) Delete() error {
	t.DelTable(t.table)
	return t.Flush()
}

// Chain adds a chain.
func (t *Table) Chain(name string) *nftables.Chain {
	return t.AddChain(&nftables.Chain{Name: name, Table: t.table})
}

// Rule adds a rule of some expressions to a chain.
func (t *Table) Rule(c *nftables.Chain, parts ...[]expr.Any) {
	t.AddRule(&nftables.Rule{Table: t.table, Chain: c, Exprs: slices.Concat(parts...)})
}

// Set adds a set or a map, which may be anonymous.
func (t *Table) Set(s nftables.Set, elements ...nftables.SetElement) *nftables.Set {
	t.sets++
	s.Table, s.Name, s.ID = t.table, fmt.Sprintf("set%d", t.sets), uint32(t.sets)
	if s.Constant = s.Anonymous; s.Anonymous {
		s.Name = "__set%d"
	}
	if err := t.AddSet(&s, elements); err != nil {
		panic(err)
	}
	return &s
}

// Lookup looks up register 1 in a set.
func (t *Table) Lookup(s *nftables.Set, invert bool) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: 1, SetName: s.Name, SetID: s.ID, Invert: invert}}
}

// Map looks up register 1 in a map and puts what it has into a register.
func (t *Table) Map(s *nftables.Set, to uint32) []expr.Any {
	return []expr.Any{
		&expr.Lookup{SourceRegister: 1, DestRegister: to, IsDestRegSet: true, SetName: s.Name, SetID: s.ID},
	}
}

// Port is a port as registers hold it.
func Port(n uint16) []byte { return binaryutil.BigEndian.PutUint16(n) }

// Proto matches an IP protocol.
func Proto(n byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Register: 1, Data: []byte{n}}}
}

// LoadPort loads the destination port into register 1.
func LoadPort() []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}}
}

// ComparePort compares the destination port of TCP.
func ComparePort(op expr.CmpOp, n uint16) []expr.Any {
	compare := &expr.Cmp{Op: op, Register: 1, Data: Port(n)}
	return slices.Concat(Proto(unix.IPPROTO_TCP), LoadPort(), []expr.Any{compare})
}

// ToPort matches TCP packets to a port.
func ToPort(n uint16) []expr.Any { return ComparePort(expr.CmpOpEq, n) }

// Redirect sends packets to a port of this machine.
func Redirect(n uint16) []expr.Any {
	return []expr.Any{&expr.Immediate{Register: 1, Data: Port(n)}, &expr.Redir{RegisterProtoMin: 1}}
}

// DNAT sends packets to an address and a port.
func DNAT(to string, n uint16) []expr.Any {
	a := netip.MustParseAddr(to)
	family := uint32(unix.NFPROTO_IPV4)
	if a.Is6() {
		family = unix.NFPROTO_IPV6
	}
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: a.AsSlice()},
		&expr.Immediate{Register: 2, Data: Port(n)},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: family, RegAddrMin: 1, RegProtoMin: 2},
	}
}

// LoadHeader loads bytes of the IP header into register 1.
func LoadHeader(offset, n uint32) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: n},
	}
}

// CompareAddr compares the IPv4 destination.
func CompareAddr(op expr.CmpOp, a string) []expr.Any {
	return append(LoadHeader(16, 4), &expr.Cmp{Op: op, Register: 1, Data: netip.MustParseAddr(a).AsSlice()})
}

// Reject answers with an ICMP error of type unreachable.
func Reject(code uint8) []expr.Any {
	return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_ICMP_UNREACH, Code: code}}
}

// Verdict ends a rule.
func Verdict(kind expr.VerdictKind, chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: kind, Chain: chain}}
}

// Native is numbers as structs of the kernel hold them.
func Native(values ...any) []byte {
	var b bytes.Buffer
	for _, v := range values {
		binary.Write(&b, binary.NativeEndian, v)
	}
	return b.Bytes()
}

// aligned pads a struct as iptables does (XT_ALIGN).
func aligned(info []byte) []byte {
	return append(slices.Clone(info), make([]byte, (8-len(info)%8)%8)...)
}

// XTMatch is a match of iptables.
func XTMatch(name string, rev uint32, info []byte) []expr.Any {
	i := xt.Unknown(aligned(info))
	return []expr.Any{&expr.Match{Name: name, Rev: rev, Info: &i}}
}

// XTTarget is a target of iptables.
func XTTarget(name string, rev uint32, info []byte) []expr.Any {
	i := xt.Unknown(aligned(info))
	return []expr.Any{&expr.Target{Name: name, Rev: rev, Info: &i}}
}

// XTPorts matches TCP packets to a range of ports (struct xt_tcp).
func XTPorts(first, last uint16, invert byte) []expr.Any {
	info := Native([4]uint16{0, 65535, first, last}, [4]byte{0, 0, 0, invert})
	return slices.Concat(Proto(unix.IPPROTO_TCP), XTMatch("tcp", 0, info))
}

// The flags of a range (linux/netfilter/nf_nat.h).
const (
	RangeMapsAddress = 1 << 0 // NF_NAT_RANGE_MAP_IPS
	RangeHasPorts    = 1 << 1 // NF_NAT_RANGE_PROTO_SPECIFIED
)

// XTRedirect has struct nf_nat_ipv4_multi_range_compat with a port.
func XTRedirect(n uint16) []expr.Any {
	return XTTarget("REDIRECT", 0, slices.Concat(Native([4]uint32{1, RangeHasPorts, 0, 0}), Port(n), Port(n)))
}

// XTDNAT has struct nf_nat_range2.
func XTDNAT(to string, n uint16) []expr.Any {
	var a [16]byte
	copy(a[:], netip.MustParseAddr(to).AsSlice())
	flags := Native(uint32(RangeHasPorts | RangeMapsAddress))
	return XTTarget("DNAT", 2, slices.Concat(flags, a[:], a[:], Port(n), Port(n), make([]byte, 4)))
}
