package local

import (
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"onmux/probe/nettest"
)

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
		}, map[string]string{"417/tcp": "10.0.0.2 (same port)", "418/tcp": "10.0.0.3 (same port)", "419/tcp": ""}},
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
		}, map[string]string{"1/tcp": "10.0.0.2 (same port)", "65535/udp": "10.0.0.2 (same port)"}},
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
