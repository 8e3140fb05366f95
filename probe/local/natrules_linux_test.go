package local

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// firewall makes rules through a library that knows nothing of ours.
type firewall struct {
	*nftables.Conn
	table *nftables.Table
	sets  int
}

func newFirewall(family nftables.TableFamily) *firewall {
	c, _ := nftables.New()
	return &firewall{Conn: c, table: c.AddTable(&nftables.Table{Name: "nat", Family: family})}
}

func (f *firewall) base(name string, hook *nftables.ChainHook) *nftables.Chain {
	return f.AddChain(&nftables.Chain{Name: name, Table: f.table, Type: nftables.ChainTypeNAT, Hooknum: hook, Priority: nftables.ChainPriorityNATDest})
}

func (f *firewall) pre() *nftables.Chain { return f.base("pre", nftables.ChainHookPrerouting) }
func (f *firewall) out() *nftables.Chain { return f.base("out", nftables.ChainHookOutput) }

func (f *firewall) chain(name string) *nftables.Chain {
	return f.AddChain(&nftables.Chain{Name: name, Table: f.table})
}

func (f *firewall) rule(c *nftables.Chain, parts ...[]expr.Any) {
	f.AddRule(&nftables.Rule{Table: f.table, Chain: c, Exprs: slices.Concat(parts...)})
}

// set adds an anonymous set or a map; named ones differ in nothing that matters.
func (f *firewall) set(s nftables.Set, elements ...nftables.SetElement) *nftables.Set {
	f.sets++
	s.Table, s.Name, s.ID = f.table, fmt.Sprintf("set%d", f.sets), uint32(f.sets)
	if s.Constant = s.Anonymous; s.Anonymous {
		s.Name = "__set%d"
	}
	if err := f.AddSet(&s, elements); err != nil {
		panic(err)
	}
	return &s
}

func (f *firewall) lookup(s *nftables.Set, invert bool) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: 1, SetName: s.Name, SetID: s.ID, Invert: invert}}
}

func (f *firewall) mapped(s *nftables.Set, to uint32) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: 1, DestRegister: to, IsDestRegSet: true, SetName: s.Name, SetID: s.ID}}
}

func be16(n uint16) []byte { return binaryutil.BigEndian.PutUint16(n) }

func ofProto(n byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Register: 1, Data: []byte{n}}}
}

func loadPort() []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}}
}

func toPort(op expr.CmpOp, n uint16) []expr.Any {
	return slices.Concat(ofProto(unix.IPPROTO_TCP), loadPort(), []expr.Any{&expr.Cmp{Op: op, Register: 1, Data: be16(n)}})
}

func port(n uint16) []expr.Any { return toPort(expr.CmpOpEq, n) }

func redirect(n uint16) []expr.Any {
	return []expr.Any{&expr.Immediate{Register: 1, Data: be16(n)}, &expr.Redir{RegisterProtoMin: 1}}
}

func dnat(to string, n uint16) []expr.Any {
	a := netip.MustParseAddr(to)
	family := uint32(unix.NFPROTO_IPV4)
	if a.Is6() {
		family = unix.NFPROTO_IPV6
	}
	return []expr.Any{&expr.Immediate{Register: 1, Data: a.AsSlice()}, &expr.Immediate{Register: 2, Data: be16(n)},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: family, RegAddrMin: 1, RegProtoMin: 2}}
}

func fromHeader(offset, n uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: n}}
}

func daddr(op expr.CmpOp, a string) []expr.Any {
	return append(fromHeader(16, 4), &expr.Cmp{Op: op, Register: 1, Data: netip.MustParseAddr(a).AsSlice()})
}

func verdictTo(kind expr.VerdictKind, chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: kind, Chain: chain}}
}

func native(values ...any) []byte {
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

func matchXT(name string, rev uint32, info []byte) []expr.Any {
	i := xt.Unknown(aligned(info))
	return []expr.Any{&expr.Match{Name: name, Rev: rev, Info: &i}}
}

func targetXT(name string, rev uint32, info []byte) []expr.Any {
	i := xt.Unknown(aligned(info))
	return []expr.Any{&expr.Target{Name: name, Rev: rev, Info: &i}}
}

func tcpXT(first, last uint16, invert byte) []expr.Any {
	return slices.Concat(ofProto(unix.IPPROTO_TCP), matchXT("tcp", 0, native([4]uint16{0, 65535, first, last}, [4]byte{0, 0, 0, invert})))
}

// redirectXT is struct nf_nat_ipv4_multi_range_compat with a port.
func redirectXT(n uint16) []expr.Any {
	return targetXT("REDIRECT", 0, slices.Concat(native([4]uint32{1, rangeHasPorts, 0, 0}), be16(n), be16(n)))
}

// dnatXT is struct nf_nat_range2.
func dnatXT(to string, n uint16) []expr.Any {
	var a [16]byte
	copy(a[:], netip.MustParseAddr(to).AsSlice())
	return targetXT("DNAT", 2, slices.Concat(native(uint32(rangeHasPorts|rangeMapsAddress)), a[:], a[:], be16(n), be16(n), make([]byte, 4)))
}

// sentTo is where a port's arrivals go, as short as it can be told: what every
// redirect of the table has in common is left out.
func sentTo(all []Redirect) string {
	var out []string
	for _, r := range all {
		s := r.String()
		s = strings.Replace(s, " by an nftables rule (table ip nat, chain pre), only from outside, over IPv4", "", 1)
		out = append(out, strings.TrimPrefix(s, "to "))
	}
	return strings.Join(out, "; ")
}

// manyRules is rules as kube-proxy makes them for n services.
func manyRules(f *firewall, n int) error {
	pre, ports := f.pre(), f.chain("KUBE-NODEPORTS")
	f.rule(pre, verdictTo(expr.VerdictJump, "KUBE-NODEPORTS"))
	for i := range n {
		name := fmt.Sprintf("KUBE-SVC-%d", i)
		f.rule(f.chain(name), dnat("10.244.0.5", uint16(i)))
		f.rule(ports, port(uint16(30000+i)), verdictTo(expr.VerdictJump, name))
		if i%20 == 19 {
			if err := f.Flush(); err != nil {
				return err
			}
		}
	}
	return f.Flush()
}
