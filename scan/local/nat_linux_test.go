package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
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

// natCase is rules, and what they do to ports.
type natCase struct {
	name   string
	family nftables.TableFamily
	make   func(f *firewall, host *nettest.Host)
	want   map[string]string // by port
}

func natCases() []natCase {
	const v4, v6, inet = nftables.TableFamilyIPv4, nftables.TableFamilyIPv6, nftables.TableFamilyINet
	service, addr4 := nftables.TypeInetService, nftables.TypeIPAddr
	el := func(n uint16) nftables.SetElement { return nftables.SetElement{Key: be16(n)} }
	ends := func(first, behind uint16) []nftables.SetElement {
		return []nftables.SetElement{{Key: be16(first)}, {Key: be16(behind), IntervalEnd: true}}
	}
	tcp := ofProto(unix.IPPROTO_TCP)
	return []natCase{
		{"equal", v4, func(f *firewall, _ *nettest.Host) { f.rule(f.pre(), port(417), redirect(8417)) },
			map[string]string{"417/tcp": "port 8417", "418/tcp": "", "417/udp": ""}},
		{"udp", v4, func(f *firewall, _ *nettest.Host) {
			f.rule(f.pre(), ofProto(unix.IPPROTO_UDP), loadPort(), []expr.Any{&expr.Cmp{Register: 1, Data: be16(53)}}, dnat("10.9.9.9", 5353))
		}, map[string]string{"53/udp": "10.9.9.9:5353", "53/tcp": ""}},
		{"ranges", v4, func(f *firewall, _ *nettest.Host) {
			pre := f.pre()
			f.rule(pre, tcp, loadPort(), []expr.Any{&expr.Range{Register: 1, FromData: be16(400), ToData: be16(420)}}, redirect(1))
			f.rule(pre, toPort(expr.CmpOpGte, 500), toPort(expr.CmpOpLte, 510), redirect(2))
			f.rule(pre, toPort(expr.CmpOpLt, 3), redirect(3))
			f.rule(pre, toPort(expr.CmpOpGt, 65533), redirect(4))
			f.rule(pre, toPort(expr.CmpOpGt, 1000), toPort(expr.CmpOpNeq, 1002), toPort(expr.CmpOpLt, 1004), redirect(5))
		}, map[string]string{"399/tcp": "", "400/tcp": "port 1", "420/tcp": "port 1", "421/tcp": "", "499/tcp": "", "500/tcp": "port 2", "511/tcp": "",
			"2/tcp": "port 3", "3/tcp": "", "65533/tcp": "", "65534/tcp": "port 4", "1000/tcp": "", "1001/tcp": "port 5", "1002/tcp": "", "1003/tcp": "port 5"}},
		{"mask", v4, func(f *firewall, _ *nettest.Host) {
			f.rule(f.pre(), tcp, loadPort(), []expr.Any{
				&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 2, Mask: []byte{0xff, 0xfe}, Xor: []byte{0, 0}},
				&expr.Cmp{Register: 1, Data: be16(416)}}, redirect(1))
		}, map[string]string{"415/tcp": "", "416/tcp": "port 1", "417/tcp": "port 1", "418/tcp": ""}},
		{"both ports at once", v4, func(f *firewall, _ *nettest.Host) {
			f.rule(f.pre(), tcp, []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Len: 4},
				&expr.Cmp{Register: 1, Data: append(be16(9), be16(417)...)}}, redirect(1))
		}, map[string]string{"417/tcp": "port 1, depending on the source port", "9/tcp": ""}},
		{"anonymous set", v4, func(f *firewall, _ *nettest.Host) {
			s := f.set(nftables.Set{Anonymous: true, KeyType: service}, el(417), el(80))
			f.rule(f.pre(), tcp, loadPort(), f.lookup(s, false), redirect(8417))
		}, map[string]string{"417/tcp": "port 8417", "80/tcp": "port 8417", "81/tcp": ""}},
		{"not in a set", v4, func(f *firewall, _ *nettest.Host) {
			s := f.set(nftables.Set{KeyType: service}, el(417), el(80))
			f.rule(f.pre(), tcp, loadPort(), f.lookup(s, true), redirect(8417))
		}, map[string]string{"417/tcp": "", "80/tcp": "", "81/tcp": "port 8417"}},
		{"intervals", v4, func(f *firewall, _ *nettest.Host) {
			all := slices.Concat(ends(500, 511), ends(511, 512), ends(600, 601), []nftables.SetElement{el(65000)}) // the last is open
			s := f.set(nftables.Set{KeyType: service, Interval: true}, all...)
			f.rule(f.pre(), tcp, loadPort(), f.lookup(s, false), redirect(1))
		}, map[string]string{"499/tcp": "", "500/tcp": "port 1", "511/tcp": "port 1", "512/tcp": "", "600/tcp": "port 1", "601/tcp": "", "65535/tcp": "port 1"}},
		{"map of addresses", v4, func(f *firewall, _ *nettest.Host) {
			s := f.set(nftables.Set{IsMap: true, KeyType: service, DataType: addr4},
				nftables.SetElement{Key: be16(417), Val: []byte{10, 0, 0, 2}}, nftables.SetElement{Key: be16(418), Val: []byte{10, 0, 0, 3}})
			f.rule(f.pre(), tcp, loadPort(), f.mapped(s, 1), []expr.Any{&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1}})
		}, map[string]string{"417/tcp": "10.0.0.2, the same port", "418/tcp": "10.0.0.3, the same port", "419/tcp": ""}},
		{"map of addresses and ports", v4, func(f *firewall, _ *nettest.Host) {
			s := f.set(nftables.Set{IsMap: true, KeyType: service, DataType: nftables.MustConcatSetType(addr4, service)},
				nftables.SetElement{Key: be16(417), Val: []byte{10, 0, 0, 2, 0, 80, 0, 0}})
			f.rule(f.pre(), tcp, loadPort(), f.mapped(s, 1), []expr.Any{&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 9}})
		}, map[string]string{"417/tcp": "10.0.0.2:80"}},
		{"verdict map", v4, func(f *firewall, _ *nettest.Host) {
			pre, a, b := f.pre(), f.chain("a"), f.chain("b")
			f.rule(a, redirect(1))
			f.rule(b, redirect(2))
			s := f.set(nftables.Set{IsMap: true, KeyType: service, DataType: nftables.TypeVerdict},
				nftables.SetElement{Key: be16(417), VerdictData: &expr.Verdict{Kind: expr.VerdictJump, Chain: "a"}},
				nftables.SetElement{Key: be16(418), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: "b"}},
				nftables.SetElement{Key: be16(419), VerdictData: &expr.Verdict{Kind: expr.VerdictAccept}})
			f.rule(pre, tcp, loadPort(), f.mapped(s, 0))
			f.rule(pre, toPort(expr.CmpOpGte, 417), toPort(expr.CmpOpLte, 420), redirect(3))
		}, map[string]string{"417/tcp": "port 1 by an nftables rule (table ip nat, chain a), only from outside, over IPv4",
			"418/tcp": "port 2 by an nftables rule (table ip nat, chain b), only from outside, over IPv4", "419/tcp": "", "420/tcp": "port 3"}},
		{"by chance", v4, func(f *firewall, _ *nettest.Host) {
			s := f.set(nftables.Set{IsMap: true, KeyType: nftables.TypeInteger, DataType: service},
				nftables.SetElement{Key: binaryutil.NativeEndian.PutUint32(0), Val: be16(71)}, nftables.SetElement{Key: binaryutil.NativeEndian.PutUint32(1), Val: be16(72)})
			f.rule(f.pre(), port(417), []expr.Any{&expr.Numgen{Register: 1, Modulus: 2, Type: unix.NFT_NG_INCREMENTAL}}, f.mapped(s, 1), []expr.Any{&expr.Redir{RegisterProtoMin: 1}})
		}, map[string]string{"417/tcp": "port 71, depending on chance; port 72, depending on chance"}},
		{"destinations", v4, func(f *firewall, h *nettest.Host) {
			pre := f.pre()
			f.rule(pre, daddr(expr.CmpOpEq, "10.96.0.1"), port(443), dnat("10.1.1.1", 6443))
			f.rule(pre, daddr(expr.CmpOpEq, h.Addr4.String()), port(444), dnat("10.1.1.1", 6444))
			f.rule(pre, daddr(expr.CmpOpNeq, "10.96.0.1"), port(445), redirect(1))
			f.rule(pre, fromHeader(16, 3), []expr.Any{&expr.Cmp{Register: 1, Data: h.Addr4.AsSlice()[:3]}}, port(446), redirect(2))
			f.rule(pre, fromHeader(16, 4), []expr.Any{&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: []byte{255, 0, 0, 0}, Xor: make([]byte, 4)},
				&expr.Cmp{Register: 1, Data: []byte{11, 0, 0, 0}}}, port(447), redirect(3))
		}, map[string]string{"443/tcp": "", "444/tcp": "10.1.1.1:6444", "445/tcp": "port 1", "446/tcp": "port 2", "447/tcp": ""}},
		{"from this machine", v4, func(f *firewall, h *nettest.Host) {
			out := f.out()
			f.rule(out, daddr(expr.CmpOpEq, "127.0.0.1"), port(417), redirect(1))
			f.rule(out, daddr(expr.CmpOpEq, "127.0.0.11"), port(53), redirect(2))
			f.rule(out, daddr(expr.CmpOpNeq, "127.0.0.1"), port(418), redirect(3))
		}, map[string]string{
			"417/tcp": "port 1 by an nftables rule (table ip nat, chain out), only from this machine, over IPv4, for 127.0.0.1",
			"53/tcp":  "port 2 by an nftables rule (table ip nat, chain out), only from this machine, over IPv4, for 127.0.0.11",
			"418/tcp": "port 3 by an nftables rule (table ip nat, chain out), only from this machine, over IPv4, for HOST and 127.0.0.11"}},
		{"both ways", inet, func(f *firewall, _ *nettest.Host) {
			to := f.chain("to")
			f.rule(to, port(417), redirect(8417))
			f.rule(f.pre(), verdictTo(expr.VerdictJump, "to"))
			f.rule(f.out(), verdictTo(expr.VerdictJump, "to"))
		}, map[string]string{"417/tcp": "port 8417 by an nftables rule (table inet nat, chain to)"}},
		{"IPv6", v6, func(f *firewall, _ *nettest.Host) { f.rule(f.pre(), port(417), dnat("fd00::2", 80)) },
			map[string]string{"417/tcp": "[fd00::2]:80 by an nftables rule (table ip6 nat, chain pre), only from outside, over IPv6"}},
		{"conditions", v4, func(f *firewall, _ *nettest.Host) {
			pre := f.pre()
			f.rule(pre, fromHeader(12, 4), []expr.Any{&expr.Cmp{Register: 1, Data: []byte{10, 0, 0, 1}}}, port(417), redirect(1))
			f.rule(pre, []expr.Any{&expr.Meta{Key: expr.MetaKeyMARK, Register: 1}, &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)}}, port(417), redirect(2))
			f.rule(pre, port(417), redirect(3)) // what is left
			f.rule(pre, port(417), redirect(4)) // nothing is
			f.rule(pre, []expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: 1, Unit: expr.LimitTimeSecond}}, port(418), redirect(5))
			f.rule(pre, []expr.Any{&expr.Socket{Key: expr.SocketKeyMark, Register: 1}, &expr.Cmp{Register: 1, Data: make([]byte, 4)}}, port(419), redirect(6))
			f.rule(pre, []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Cmp{Register: 1, Data: append([]byte("lo"), make([]byte, 14)...)}}, port(420), redirect(7))
			f.rule(pre, []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: append([]byte("br0"), make([]byte, 13)...)}}, port(421), redirect(8))
			f.rule(pre, []expr.Any{&expr.Ct{Key: expr.CtKeySTATE, Register: 1}, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: native(uint32(8)), Xor: make([]byte, 4)},
				&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)}}, port(422), redirect(9))
		}, map[string]string{
			"417/tcp": "port 1, depending on the source address; port 2, depending on a mark; port 3", "418/tcp": "port 5, depending on the rate",
			"419/tcp": "port 6, depending on an expression that is not understood here (socket) and something that is not told here",
			"420/tcp": "", "421/tcp": "port 8, depending on the interface", "422/tcp": "port 9"}},
		{"what comes first", v4, func(f *firewall, _ *nettest.Host) {
			pre, sub := f.pre(), f.chain("sub")
			f.rule(pre, port(1), verdictTo(expr.VerdictAccept, ""))
			f.rule(pre, port(2), verdictTo(expr.VerdictReturn, ""))
			f.rule(pre, port(3), verdictTo(expr.VerdictDrop, ""))
			f.rule(pre, verdictTo(expr.VerdictJump, "sub"))
			f.rule(sub, port(4), verdictTo(expr.VerdictReturn, ""))
			f.rule(sub, port(5), verdictTo(expr.VerdictAccept, ""))
			f.rule(sub, toPort(expr.CmpOpLte, 6), toPort(expr.CmpOpGte, 4), redirect(66))
			f.rule(pre, toPort(expr.CmpOpLte, 7), redirect(77))
		}, map[string]string{"1/tcp": "", "2/tcp": "", "3/tcp": "", "4/tcp": "port 77", "5/tcp": "",
			"6/tcp": "port 66 by an nftables rule (table ip nat, chain sub), only from outside, over IPv4", "7/tcp": "port 77"}},
		{"to itself", v4, func(f *firewall, _ *nettest.Host) { f.rule(f.pre(), port(417), redirect(417)) }, map[string]string{"417/tcp": ""}},
		{"a whole machine", v4, func(f *firewall, _ *nettest.Host) {
			f.rule(f.pre(), []expr.Any{&expr.Immediate{Register: 1, Data: []byte{10, 0, 0, 2}}, &expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1}})
		}, map[string]string{"1/tcp": "10.0.0.2, the same port", "65535/udp": "10.0.0.2, the same port"}},
		{"Docker", v4, func(f *firewall, _ *nettest.Host) {
			pre, docker := f.pre(), f.chain("DOCKER")
			device := func(op expr.CmpOp) []expr.Any {
				return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: append([]byte("docker0"), make([]byte, 9)...)}}
			}
			f.rule(pre, []expr.Any{&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true}, &expr.Cmp{Register: 1, Data: native(uint32(unix.RTN_LOCAL))}, &expr.Counter{}}, verdictTo(expr.VerdictJump, "DOCKER"))
			f.rule(docker, device(expr.CmpOpEq), verdictTo(expr.VerdictReturn, ""))
			f.rule(docker, device(expr.CmpOpNeq), port(8080), []expr.Any{&expr.Counter{}}, dnat("172.17.0.2", 80))
		}, map[string]string{"8080/tcp": "172.17.0.2:80 by Docker's rule (table ip nat, chain DOCKER), only from outside, over IPv4, depending on the interface", "80/tcp": ""}},
		{"iptables", v4, func(f *firewall, _ *nettest.Host) {
			pre := f.pre()
			f.rule(pre, tcpXT(417, 417, 0), redirectXT(8417))
			f.rule(pre, tcpXT(500, 510, 0), matchXT("comment", 0, make([]byte, 256)), dnatXT("10.0.0.7", 80))
			f.rule(pre, tcpXT(600, 65535, 2), tcpXT(590, 65535, 0), redirectXT(7))
			f.rule(pre, ofProto(unix.IPPROTO_UDP), matchXT("udp", 0, native([4]uint16{1024, 65535, 53, 53}, [2]byte{})), redirectXT(5353))
		}, map[string]string{"417/tcp": "port 8417", "418/tcp": "", "505/tcp": "10.0.0.7:80", "595/tcp": "port 7", "600/tcp": "", "53/udp": "port 5353, depending on the source port"}},
		{"iptables over IPv6", v6, func(f *firewall, _ *nettest.Host) {
			f.rule(f.pre(), tcpXT(417, 417, 0), targetXT("REDIRECT", 0, slices.Concat(native(uint32(rangeHasPorts)), make([]byte, 32), be16(8417), be16(8417))))
		}, map[string]string{"417/tcp": "port 8417 by an nftables rule (table ip6 nat, chain pre), only from outside, over IPv6"}},
		{"kube-proxy", v4, func(f *firewall, _ *nettest.Host) {
			pre, services, ports, svc, sep := f.pre(), f.chain("KUBE-SERVICES"), f.chain("KUBE-NODEPORTS"), f.chain("KUBE-SVC-A"), f.chain("KUBE-SEP-A")
			f.rule(pre, verdictTo(expr.VerdictJump, "KUBE-SERVICES"))
			f.rule(services, daddr(expr.CmpOpEq, "10.96.0.10"), tcpXT(443, 443, 0), verdictTo(expr.VerdictJump, "KUBE-SVC-A"))
			f.rule(services, matchXT("addrtype", 1, native([2]uint16{0, 1 << unix.RTN_LOCAL}, uint32(0))), verdictTo(expr.VerdictJump, "KUBE-NODEPORTS"))
			f.rule(ports, tcpXT(30080, 30080, 0), verdictTo(expr.VerdictJump, "KUBE-SVC-A"))
			f.rule(svc, matchXT("statistic", 0, make([]byte, 24)), verdictTo(expr.VerdictJump, "KUBE-SEP-A"))
			f.rule(sep, tcpXT(0, 65535, 0), dnatXT("10.244.0.5", 8080))
		}, map[string]string{"30080/tcp": "10.244.0.5:8080 by kube-proxy's rule (table ip nat, chain KUBE-SEP-A), only from outside, over IPv4, depending on chance", "443/tcp": ""}},
		{"kube-proxy of nftables", v4, func(f *firewall, h *nettest.Host) {
			pre, ext := f.pre(), f.chain("external")
			f.rule(ext, dnat("10.244.0.5", 8080))
			key := nftables.MustConcatSetType(addr4, nftables.TypeInetProto, service)
			s := f.set(nftables.Set{IsMap: true, Concatenation: true, KeyType: key, DataType: nftables.TypeVerdict},
				nftables.SetElement{Key: slices.Concat([]byte{10, 96, 0, 1}, []byte{6, 0, 0, 0}, be16(443), []byte{0, 0}), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: "external"}},
				nftables.SetElement{Key: slices.Concat(h.Addr4.AsSlice(), []byte{6, 0, 0, 0}, be16(417), []byte{0, 0}), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: "external"}})
			f.rule(pre, []expr.Any{
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
				&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 9},
				&expr.Payload{DestRegister: 10, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			}, f.mapped(s, 0))
		}, map[string]string{"417/tcp": "10.244.0.5:8080 by an nftables rule (table ip nat, chain external), only from outside, over IPv4", "443/tcp": "", "417/udp": ""}},
	}
}

// Every shape of rule, made through a library that knows nothing of ours.
func TestNAT(t *testing.T) {
	for _, c := range natCases() {
		t.Run(c.name, func(t *testing.T) {
			h := nettest.NewHost(t)
			q := query{ports: make(map[probe.Proto][]uint16), v4: true, v6: true}
			for p := range c.want {
				n, proto := parsePort(t, p)
				q.ports[proto] = append(q.ports[proto], n)
			}
			for proto := range q.ports {
				slices.Sort(q.ports[proto])
			}
			var got nat
			if err := h.Do(func() (err error) {
				f := newFirewall(c.family)
				c.make(f, h)
				if err := f.Flush(); err != nil {
					return fmt.Errorf("the kernel refuses the rules: %w", err)
				}
				got, err = readNAT(t.Context(), q)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			for p, want := range c.want {
				n, proto := parsePort(t, p)
				all := sentTo(got.of[probe.Port{Number: n, Proto: proto}])
				if want = strings.ReplaceAll(want, "HOST", h.Addr4.String()); all != want {
					t.Errorf("%s is sent to %q, want %q", p, all, want)
				}
			}
			if !strings.Contains(got.coverage[0], "of nftables read") {
				t.Errorf("coverage %q", got.coverage)
			}
		})
	}
}

func parsePort(t *testing.T, s string) (uint16, probe.Proto) {
	t.Helper()
	var n uint16
	var name string
	if _, err := fmt.Sscanf(strings.ReplaceAll(s, "/", " "), "%d %s", &n, &name); err != nil {
		t.Fatal(err)
	}
	if name == "udp" {
		return n, probe.UDP
	}
	return n, probe.TCP
}

// A rule that is not understood is neither a redirect nor forgotten.
func TestNATUnread(t *testing.T) {
	h := nettest.NewHost(t)
	p := probe.Port{Number: 417, Proto: probe.TCP}
	if err := h.Do(func() error {
		f := newFirewall(nftables.TableFamilyIPv4)
		f.rule(f.pre(), tcpXT(417, 417, 0), targetXT("NETMAP", 0, native([4]uint32{1, rangeMapsAddress, 0x0200000a, 0x0200000a}, uint32(0))))
		if err := f.Flush(); err != nil {
			return err
		}
		r, err := Check(t.Context(), Request{Ports: []probe.Port{p}, IPv4: true, IPv6: true})
		if err != nil {
			return err
		}
		if v := r.Verdicts[0]; v.Verdict != Free || len(v.Redirects) > 0 || !strings.HasSuffix(v.Why, "not understood was an nftables rule (table ip nat, chain pre)") {
			t.Errorf("%+v", v)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A socket that listens is the verdict, and the rule before it is told.
func TestNATBeforeListener(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		open(t, unix.AF_INET, unix.SOCK_STREAM, all(bindTo("0.0.0.0", 417), listenWith(7)))
		f := newFirewall(nftables.TableFamilyIPv4)
		f.rule(f.pre(), port(417), redirect(8417))
		f.rule(f.out(), port(418), redirect(8418))
		if err := f.Flush(); err != nil {
			return err
		}
		r, err := Check(t.Context(), Request{Ports: []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 418, Proto: probe.TCP}}, IPv4: true, IPv6: true})
		if err != nil {
			return err
		}
		for i, want := range []struct {
			word Word
			why  string
		}{
			{Listening, "; but first, arrivals are sent on to port 8417 by an nftables rule (table ip nat, chain pre), only from outside, over IPv4"},
			{Redirected, "sent on to port 8418 by an nftables rule (table ip nat, chain out), only from this machine, over IPv4; nothing listens on 418 itself"},
		} {
			if v := r.Verdicts[i]; v.Verdict != want.word || !strings.HasSuffix(v.Why, want.why) || len(v.Redirects) != 1 {
				t.Errorf("%+v, want %s %q", v, want.word, want.why)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// asNobody runs f on a thread of its own with nobody's rights, in h's network
// namespace.
func asNobody(t *testing.T, h *nettest.Host, f func() error) {
	t.Helper()
	ids, err := os.ReadFile("/proc/self/uid_map")
	if err != nil || os.Geteuid() != 0 || !strings.Contains(string(ids), "4294967295") {
		t.Skip("needs root outside of a user namespace to become somebody else")
	}
	var ns int
	if err := h.Do(func() (err error) {
		ns, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ns)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with its rights
		if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
			done <- errno
			return
		}
		done <- f()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestNATNotAllowed(t *testing.T) {
	h := nettest.NewHost(t)
	asNobody(t, h, func() error {
		n, err := readNAT(t.Context(), query{ports: map[probe.Proto][]uint16{probe.TCP: {417}}, v4: true})
		if len(n.coverage) != 1 || n.coverage[0] != "NAT rules: not readable without CAP_NET_ADMIN" || len(n.hints) != 1 {
			t.Errorf("%+v", n)
		}
		return err
	})
}

// Legacy iptables has tables of its own, which nftables does not tell.
func TestNATLegacy(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		// Asking for the table makes it (getsockopt IPT_SO_GET_INFO).
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		var info [84]byte // struct ipt_getinfo
		copy(info[:], "nat")
		size := uint32(len(info))
		if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_IP, 64, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0); errno != 0 {
			t.Skip("this kernel has no legacy iptables: ", errno)
		}
		n, err := readNAT(t.Context(), query{ports: map[probe.Proto][]uint16{probe.TCP: {417}}, v4: true})
		if want := []string{"NAT rules: nftables has none", "NAT rules of legacy iptables: there is a nat table, which was not looked at"}; !slices.Equal(n.coverage, want) {
			t.Errorf("coverage %q", n.coverage)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
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

func TestNATMany(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		if err := manyRules(newFirewall(nftables.TableFamilyIPv4), 1000); err != nil {
			return err
		}
		var ports []uint16
		for p := range 1 << 16 {
			ports = append(ports, uint16(p))
		}
		n, err := readNAT(t.Context(), query{ports: map[probe.Proto][]uint16{probe.TCP: ports[1:], probe.UDP: ports[1:]}, v4: true, v6: true})
		if len(n.of) != 1000 || n.coverage[0] != "NAT rules: 2001 rules of nftables read" {
			t.Errorf("%d ports, %q", len(n.of), n.coverage)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// A walk ends, whatever the rules are, and says that it was cut.
func TestNATBounded(t *testing.T) {
	r := &natRules{of: map[string][][]step{"ip t a": {}}, steps: 1 << 12, sets: map[string]*natSet{}}
	for range 40 {
		r.of["ip t a"] = append(r.of["ip t a"], []step{{op: opVerdict, verdict: verdict{nftJump, "a"}}})
	}
	r.walk(t.Context(), query{ports: map[probe.Proto][]uint16{probe.TCP: {1}}, v4: true}, []natChain{{family: unix.NFPROTO_IPV4, table: "t", name: "a"}})
	if !r.cut {
		t.Error("an endless walk ended without a word")
	}
	n := nat{}
	if n.cover(r, nil); !strings.Contains(n.coverage[0], "not all followed") {
		t.Errorf("coverage %q", n.coverage)
	}
	n = nat{}
	if n.cover(r, errEnough); !strings.Contains(n.coverage[0], "not all read: more than 64 MB") {
		t.Errorf("coverage %q", n.coverage)
	}
}

// Whatever the kernel sends is read to its end, and walked to its end.
func FuzzNAT(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add(appendName(nil, unix.NFTA_RULE_CHAIN, "a"), appendName(nil, 1, "x"))
	for _, e := range slices.Concat(port(417), redirect(1), dnat("10.0.0.1", 5), tcpXT(1, 2, 3), redirectXT(4), dnatXT("10.0.0.1", 6), fromHeader(16, 4)) {
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
		r := &natRules{of: make(map[string][][]step), steps: 1 << 10, sets: make(map[string]*natSet)}
		set := &natSet{elements: parseElements(elements), interval: len(elements)%2 == 0}
		set.pair()
		_, steps := parseRule(unix.NFPROTO_IPV4, rule)
		for _, s := range steps {
			r.sets["ip t "+s.name] = set
		}
		r.name(steps)
		r.of["ip t a"] = [][]step{steps, {{op: opLoad, n: 2, load: fromTransport, offset: 2}, {op: opLookup, name: "s"}, {op: opSend}}}
		r.sets["ip t s"] = set
		n := nat{of: make(map[probe.Port][]Redirect), unread: make(map[probe.Port][]string)}
		for _, s := range r.walk(t.Context(), query{ports: map[probe.Proto][]uint16{probe.TCP: {1, 417}}, v4: true}, []natChain{{family: unix.NFPROTO_IPV4, table: "t", name: "a"}}) {
			n.note(s, []uint16{1, 417})
		}
		parseChain(unix.NFPROTO_IPV4, rule)
		if _, err := parseNFT(rule, func(nftFamily, []byte) {}); err != nil && !errors.Is(err, errMalformed) && !errors.As(err, new(unix.Errno)) {
			t.Error(err)
		}
	})
}

func FuzzXT(f *testing.F) {
	f.Add("tcp", uint32(0), native([4]uint16{0, 65535, 417, 417}, [4]byte{}))
	f.Add("multiport", uint32(1), append([]byte{1, 2}, make([]byte, 46)...))
	f.Add("DNAT", uint32(2), make([]byte, 44))
	f.Fuzz(func(t *testing.T, name string, revision uint32, info []byte) {
		d := appendName(nil, unix.NFTA_MATCH_NAME, name)
		d = append(d, 8, 0, unix.NFTA_MATCH_REV, 0)
		d = binary.BigEndian.AppendUint32(d, revision)
		d = append(binary.NativeEndian.AppendUint16(d, uint16(4+len(info))), unix.NFTA_MATCH_INFO, 0)
		d = append(d, info...)
		for _, s := range slices.Concat(parseMatch(d), parseTarget(unix.NFPROTO_IPV4, d), parseTarget(unix.NFPROTO_IPV6, d)) {
			if s.op == opPorts && len(newSpans(s.ports)) > len(s.ports) || s.op == opSend && len(s.ports) > 1 {
				t.Errorf("%+v", s)
			}
		}
	})
}

func BenchmarkNAT(b *testing.B) {
	for _, n := range []int{0, 1, 5000} {
		b.Run(fmt.Sprintf("services=%d", n), func(b *testing.B) {
			h := nettest.NewHost(b)
			if err := h.Do(func() error {
				if n > 0 {
					if err := manyRules(newFirewall(nftables.TableFamilyIPv4), n); err != nil {
						return err
					}
				}
				for b.Loop() {
					if _, err := readNAT(b.Context(), query{ports: map[probe.Proto][]uint16{probe.TCP: {417}, probe.UDP: {417}}, v4: true, v6: true}); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
