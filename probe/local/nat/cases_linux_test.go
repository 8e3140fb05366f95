package nat

import (
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
)

// testCase is rules, and what they do to ports.
type testCase struct {
	name   string
	family nftables.TableFamily
	make   func(f *nft.Table, host *nettest.Host)
	want   map[string]string // by port
}

func cases() []testCase {
	const v4, v6, inet = nftables.TableFamilyIPv4, nftables.TableFamilyIPv6, nftables.TableFamilyINet
	service, addr4 := nftables.TypeInetService, nftables.TypeIPAddr
	el := func(n uint16) nftables.SetElement { return nftables.SetElement{Key: nft.Port(n)} }
	ends := func(first, behind uint16) []nftables.SetElement {
		return []nftables.SetElement{{Key: nft.Port(first)}, {Key: nft.Port(behind), IntervalEnd: true}}
	}
	tcp := nft.Proto(unix.IPPROTO_TCP)
	return []testCase{
		{"equal", v4, func(f *nft.Table, _ *nettest.Host) { f.Rule(f.Prerouting(), nft.ToPort(417), nft.Redirect(8417)) },
			map[string]string{"417/tcp": "port 8417", "418/tcp": "", "417/udp": ""}},
		{"udp", v4, func(f *nft.Table, _ *nettest.Host) {
			f.Rule(
				f.Prerouting(),
				nft.Proto(unix.IPPROTO_UDP),
				nft.LoadPort(),
				[]expr.Any{&expr.Cmp{Register: 1, Data: nft.Port(53)}},
				nft.DNAT("10.9.9.9", 5353),
			)
		}, map[string]string{"53/udp": "10.9.9.9:5353", "53/tcp": ""}},
		{"ranges", v4, func(f *nft.Table, _ *nettest.Host) {
			pre := f.Prerouting()
			f.Rule(
				pre,
				tcp,
				nft.LoadPort(),
				[]expr.Any{&expr.Range{Register: 1, FromData: nft.Port(400), ToData: nft.Port(420)}},
				nft.Redirect(1),
			)
			f.Rule(pre, nft.ComparePort(expr.CmpOpGte, 500), nft.ComparePort(expr.CmpOpLte, 510), nft.Redirect(2))
			f.Rule(pre, nft.ComparePort(expr.CmpOpLt, 3), nft.Redirect(3))
			f.Rule(pre, nft.ComparePort(expr.CmpOpGt, 65533), nft.Redirect(4))
			f.Rule(
				pre,
				nft.ComparePort(expr.CmpOpGt, 1000),
				nft.ComparePort(expr.CmpOpNeq, 1002),
				nft.ComparePort(expr.CmpOpLt, 1004),
				nft.Redirect(5),
			)
		}, map[string]string{
			"399/tcp": "", "400/tcp": "port 1", "420/tcp": "port 1", "421/tcp": "", "499/tcp": "", "500/tcp": "port 2",
			"511/tcp": "",
			"2/tcp":   "port 3", "3/tcp": "", "65533/tcp": "", "65534/tcp": "port 4", "1000/tcp": "", "1001/tcp": "port 5",
			"1002/tcp": "", "1003/tcp": "port 5",
		}},
		{"mask", v4, func(f *nft.Table, _ *nettest.Host) {
			f.Rule(f.Prerouting(), tcp, nft.LoadPort(), []expr.Any{
				&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 2, Mask: []byte{0xff, 0xfe}, Xor: []byte{0, 0}},
				&expr.Cmp{Register: 1, Data: nft.Port(416)}}, nft.Redirect(1))
		}, map[string]string{"415/tcp": "", "416/tcp": "port 1", "417/tcp": "port 1", "418/tcp": ""}},
		{"both ports at once", v4, func(f *nft.Table, _ *nettest.Host) {
			f.Rule(f.Prerouting(), tcp, []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Len: 4},
				&expr.Cmp{Register: 1, Data: append(nft.Port(9), nft.Port(417)...)}}, nft.Redirect(1))
		}, map[string]string{"417/tcp": "port 1, if source port", "9/tcp": ""}},
		{"anonymous set", v4, func(f *nft.Table, _ *nettest.Host) {
			s := f.Set(nftables.Set{Anonymous: true, KeyType: service}, el(417), el(80))
			f.Rule(f.Prerouting(), tcp, nft.LoadPort(), f.Lookup(s, false), nft.Redirect(8417))
		}, map[string]string{"417/tcp": "port 8417", "80/tcp": "port 8417", "81/tcp": ""}},
		{"not in a set", v4, func(f *nft.Table, _ *nettest.Host) {
			s := f.Set(nftables.Set{KeyType: service}, el(417), el(80))
			f.Rule(f.Prerouting(), tcp, nft.LoadPort(), f.Lookup(s, true), nft.Redirect(8417))
		}, map[string]string{"417/tcp": "", "80/tcp": "", "81/tcp": "port 8417"}},
		{"intervals", v4, func(f *nft.Table, _ *nettest.Host) {
			all := slices.Concat(
				ends(500, 511),
				ends(511, 512),
				ends(600, 601),
				[]nftables.SetElement{el(65000)},
			) // the last is open
			s := f.Set(nftables.Set{KeyType: service, Interval: true}, all...)
			f.Rule(f.Prerouting(), tcp, nft.LoadPort(), f.Lookup(s, false), nft.Redirect(1))
		}, map[string]string{
			"499/tcp": "", "500/tcp": "port 1", "511/tcp": "port 1", "512/tcp": "", "600/tcp": "port 1", "601/tcp": "",
			"65535/tcp": "port 1",
		}},
		{"map of addresses", v4, func(f *nft.Table, _ *nettest.Host) {
			s := f.Set(
				nftables.Set{IsMap: true, KeyType: service, DataType: addr4},
				nftables.SetElement{
					Key: nft.Port(417),
					Val: []byte{10, 0, 0, 2},
				},
				nftables.SetElement{Key: nft.Port(418), Val: []byte{10, 0, 0, 3}},
			)
			f.Rule(
				f.Prerouting(),
				tcp,
				nft.LoadPort(),
				f.Map(s, 1),
				[]expr.Any{&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1}},
			)
		}, map[string]string{"417/tcp": "10.0.0.2 (same port)", "418/tcp": "10.0.0.3 (same port)", "419/tcp": ""}},
		{"map of addresses and ports", v4, func(f *nft.Table, _ *nettest.Host) {
			s := f.Set(nftables.Set{IsMap: true, KeyType: service, DataType: nftables.MustConcatSetType(addr4, service)},
				nftables.SetElement{Key: nft.Port(417), Val: []byte{10, 0, 0, 2, 0, 80, 0, 0}})
			f.Rule(
				f.Prerouting(),
				tcp,
				nft.LoadPort(),
				f.Map(s, 1),
				[]expr.Any{&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 9}},
			)
		}, map[string]string{"417/tcp": "10.0.0.2:80"}},
		{"verdict map", v4, func(f *nft.Table, _ *nettest.Host) {
			pre, a, b := f.Prerouting(), f.Chain("a"), f.Chain("b")
			f.Rule(a, nft.Redirect(1))
			f.Rule(b, nft.Redirect(2))
			s := f.Set(nftables.Set{IsMap: true, KeyType: service, DataType: nftables.TypeVerdict},
				nftables.SetElement{Key: nft.Port(417), VerdictData: &expr.Verdict{Kind: expr.VerdictJump, Chain: "a"}},
				nftables.SetElement{Key: nft.Port(418), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: "b"}},
				nftables.SetElement{Key: nft.Port(419), VerdictData: &expr.Verdict{Kind: expr.VerdictAccept}})
			f.Rule(pre, tcp, nft.LoadPort(), f.Map(s, 0))
			f.Rule(pre, nft.ComparePort(expr.CmpOpGte, 417), nft.ComparePort(expr.CmpOpLte, 420), nft.Redirect(3))
		}, map[string]string{"417/tcp": "port 1 in ip nat a, outside, ipv4",
			"418/tcp": "port 2 in ip nat b, outside, ipv4", "419/tcp": "", "420/tcp": "port 3"}},
		{"by chance", v4, func(f *nft.Table, _ *nettest.Host) {
			s := f.Set(
				nftables.Set{IsMap: true, KeyType: nftables.TypeInteger, DataType: service},
				nftables.SetElement{
					Key: binaryutil.NativeEndian.PutUint32(0),
					Val: nft.Port(71),
				},
				nftables.SetElement{Key: binaryutil.NativeEndian.PutUint32(1), Val: nft.Port(72)},
			)
			f.Rule(
				f.Prerouting(),
				nft.ToPort(417),
				[]expr.Any{&expr.Numgen{Register: 1, Modulus: 2, Type: unix.NFT_NG_INCREMENTAL}},
				f.Map(s, 1),
				[]expr.Any{&expr.Redir{RegisterProtoMin: 1}},
			)
		}, map[string]string{"417/tcp": "port 71, if random; port 72, if random"}},
		{"destinations", v4, func(f *nft.Table, h *nettest.Host) {
			pre := f.Prerouting()
			f.Rule(pre, nft.CompareAddr(expr.CmpOpEq, "10.96.0.1"), nft.ToPort(443), nft.DNAT("10.1.1.1", 6443))
			f.Rule(pre, nft.CompareAddr(expr.CmpOpEq, h.Addr4.String()), nft.ToPort(444), nft.DNAT("10.1.1.1", 6444))
			f.Rule(pre, nft.CompareAddr(expr.CmpOpNeq, "10.96.0.1"), nft.ToPort(445), nft.Redirect(1))
			f.Rule(
				pre,
				nft.LoadHeader(16, 3),
				[]expr.Any{&expr.Cmp{Register: 1, Data: h.Addr4.AsSlice()[:3]}},
				nft.ToPort(446),
				nft.Redirect(2),
			)
			f.Rule(
				pre,
				nft.LoadHeader(16, 4),
				[]expr.Any{
					&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: []byte{255, 0, 0, 0}, Xor: make([]byte, 4)},
					&expr.Cmp{Register: 1, Data: []byte{11, 0, 0, 0}},
				},
				nft.ToPort(447),
				nft.Redirect(3),
			)
		}, map[string]string{
			"443/tcp": "", "444/tcp": "10.1.1.1:6444", "445/tcp": "port 1", "446/tcp": "port 2", "447/tcp": "",
		}},
		{"from this machine", v4, func(f *nft.Table, h *nettest.Host) {
			out := f.Output()
			f.Rule(out, nft.CompareAddr(expr.CmpOpEq, "127.0.0.1"), nft.ToPort(417), nft.Redirect(1))
			f.Rule(out, nft.CompareAddr(expr.CmpOpEq, "127.0.0.11"), nft.ToPort(53), nft.Redirect(2))
			f.Rule(out, nft.CompareAddr(expr.CmpOpNeq, "127.0.0.1"), nft.ToPort(418), nft.Redirect(3))
		}, map[string]string{
			"417/tcp": "port 1 in ip nat out, inside, ipv4, for 127.0.0.1",
			"53/tcp":  "port 2 in ip nat out, inside, ipv4, for 127.0.0.11",
			"418/tcp": "port 3 in ip nat out, inside, ipv4, for HOST and 127.0.0.11"}},
		{"both ways", inet, func(f *nft.Table, _ *nettest.Host) {
			to := f.Chain("to")
			f.Rule(to, nft.ToPort(417), nft.Redirect(8417))
			f.Rule(f.Prerouting(), nft.Verdict(expr.VerdictJump, "to"))
			f.Rule(f.Output(), nft.Verdict(expr.VerdictJump, "to"))
		}, map[string]string{"417/tcp": "port 8417 in inet nat to"}},
		{"IPv6", v6, func(f *nft.Table, _ *nettest.Host) { f.Rule(f.Prerouting(), nft.ToPort(417), nft.DNAT("fd00::2", 80)) },
			map[string]string{"417/tcp": "[fd00::2]:80 in ip6 nat pre, outside, ipv6"}},
		{"conditions", v4, func(f *nft.Table, _ *nettest.Host) {
			pre := f.Prerouting()
			f.Rule(
				pre,
				nft.LoadHeader(12, 4),
				[]expr.Any{&expr.Cmp{Register: 1, Data: []byte{10, 0, 0, 1}}},
				nft.ToPort(417),
				nft.Redirect(1),
			)
			f.Rule(
				pre,
				[]expr.Any{
					&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
					&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
				},
				nft.ToPort(417),
				nft.Redirect(2),
			)
			f.Rule(pre, nft.ToPort(417), nft.Redirect(3)) // what is left
			f.Rule(pre, nft.ToPort(417), nft.Redirect(4)) // nothing is
			f.Rule(
				pre,
				[]expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: 1, Unit: expr.LimitTimeSecond}},
				nft.ToPort(418),
				nft.Redirect(5),
			)
			f.Rule(
				pre,
				[]expr.Any{&expr.Socket{Key: expr.SocketKeyMark, Register: 1}, &expr.Cmp{Register: 1, Data: make([]byte, 4)}},
				nft.ToPort(419),
				nft.Redirect(6),
			)
			f.Rule(
				pre,
				[]expr.Any{
					&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
					&expr.Cmp{Register: 1, Data: append([]byte("lo"), make([]byte, 14)...)},
				},
				nft.ToPort(420),
				nft.Redirect(7),
			)
			f.Rule(
				pre,
				[]expr.Any{
					&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
					&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: append([]byte("br0"), make([]byte, 13)...)},
				},
				nft.ToPort(421),
				nft.Redirect(8),
			)
			f.Rule(
				pre,
				[]expr.Any{
					&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
					&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: nft.Native(uint32(8)), Xor: make([]byte, 4)},
					&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
				},
				nft.ToPort(422),
				nft.Redirect(9),
			)
		}, map[string]string{
			"417/tcp": "port 1, if source address; port 2, if mark; port 3", "418/tcp": "port 5, if rate",
			"419/tcp": "port 6, if unknown expression socket and other",
			"420/tcp": "", "421/tcp": "port 8, if interface", "422/tcp": "port 9"}},
		{"what comes first", v4, func(f *nft.Table, _ *nettest.Host) {
			pre, sub := f.Prerouting(), f.Chain("sub")
			f.Rule(pre, nft.ToPort(1), nft.Verdict(expr.VerdictAccept, ""))
			f.Rule(pre, nft.ToPort(2), nft.Verdict(expr.VerdictReturn, ""))
			f.Rule(pre, nft.ToPort(3), nft.Verdict(expr.VerdictDrop, ""))
			f.Rule(pre, nft.Verdict(expr.VerdictJump, "sub"))
			f.Rule(sub, nft.ToPort(4), nft.Verdict(expr.VerdictReturn, ""))
			f.Rule(sub, nft.ToPort(5), nft.Verdict(expr.VerdictAccept, ""))
			f.Rule(sub, nft.ComparePort(expr.CmpOpLte, 6), nft.ComparePort(expr.CmpOpGte, 4), nft.Redirect(66))
			f.Rule(pre, nft.ComparePort(expr.CmpOpLte, 7), nft.Redirect(77))
		}, map[string]string{"1/tcp": "", "2/tcp": "", "3/tcp": "", "4/tcp": "port 77", "5/tcp": "",
			"6/tcp": "port 66 in ip nat sub, outside, ipv4", "7/tcp": "port 77"}},
		{
			"to itself",
			v4,
			func(f *nft.Table, _ *nettest.Host) { f.Rule(f.Prerouting(), nft.ToPort(417), nft.Redirect(417)) },
			map[string]string{"417/tcp": ""},
		},
		{"a whole machine", v4, func(f *nft.Table, _ *nettest.Host) {
			f.Rule(
				f.Prerouting(),
				[]expr.Any{
					&expr.Immediate{Register: 1, Data: []byte{10, 0, 0, 2}},
					&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1},
				},
			)
		}, map[string]string{"1/tcp": "10.0.0.2 (same port)", "65535/udp": "10.0.0.2 (same port)"}},
		{"Docker", v4, func(f *nft.Table, _ *nettest.Host) {
			pre, docker := f.Prerouting(), f.Chain("DOCKER")
			device := func(op expr.CmpOp) []expr.Any {
				return []expr.Any{
					&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
					&expr.Cmp{Op: op, Register: 1, Data: append([]byte("docker0"), make([]byte, 9)...)},
				}
			}
			f.Rule(
				pre,
				[]expr.Any{
					&expr.Fib{Register: 1, FlagDADDR: true, ResultADDRTYPE: true},
					&expr.Cmp{Register: 1, Data: nft.Native(uint32(unix.RTN_LOCAL))},
					&expr.Counter{},
				},
				nft.Verdict(expr.VerdictJump, "DOCKER"),
			)
			f.Rule(docker, device(expr.CmpOpEq), nft.Verdict(expr.VerdictReturn, ""))
			f.Rule(docker, device(expr.CmpOpNeq), nft.ToPort(8080), []expr.Any{&expr.Counter{}}, nft.DNAT("172.17.0.2", 80))
		}, map[string]string{
			"8080/tcp": "172.17.0.2:80 in ip nat DOCKER of docker, outside, ipv4, if interface", "80/tcp": "",
		}},
		{"iptables", v4, func(f *nft.Table, _ *nettest.Host) {
			pre := f.Prerouting()
			f.Rule(pre, nft.XTPorts(417, 417, 0), nft.XTRedirect(8417))
			f.Rule(pre, nft.XTPorts(500, 510, 0), nft.XTMatch("comment", 0, make([]byte, 256)), nft.XTDNAT("10.0.0.7", 80))
			f.Rule(pre, nft.XTPorts(600, 65535, 2), nft.XTPorts(590, 65535, 0), nft.XTRedirect(7))
			f.Rule(
				pre,
				nft.Proto(unix.IPPROTO_UDP),
				nft.XTMatch("udp", 0, nft.Native([4]uint16{1024, 65535, 53, 53}, [2]byte{})),
				nft.XTRedirect(5353),
			)
		}, map[string]string{
			"417/tcp": "port 8417", "418/tcp": "", "505/tcp": "10.0.0.7:80", "595/tcp": "port 7", "600/tcp": "",
			"53/udp": "port 5353, if source port",
		}},
		{"iptables over IPv6", v6, func(f *nft.Table, _ *nettest.Host) {
			f.Rule(
				f.Prerouting(),
				nft.XTPorts(417, 417, 0),
				nft.XTTarget(
					"REDIRECT",
					0,
					slices.Concat(nft.Native(uint32(nft.RangeHasPorts)), make([]byte, 32), nft.Port(8417), nft.Port(8417)),
				),
			)
		}, map[string]string{"417/tcp": "port 8417 in ip6 nat pre, outside, ipv6"}},
		{"kube-proxy", v4, func(f *nft.Table, _ *nettest.Host) {
			pre, services, ports, svc, sep := f.Prerouting(), f.Chain(
				"KUBE-SERVICES",
			), f.Chain(
				"KUBE-NODEPORTS",
			), f.Chain(
				"KUBE-SVC-A",
			), f.Chain(
				"KUBE-SEP-A",
			)
			f.Rule(pre, nft.Verdict(expr.VerdictJump, "KUBE-SERVICES"))
			f.Rule(
				services,
				nft.CompareAddr(expr.CmpOpEq, "10.96.0.10"),
				nft.XTPorts(443, 443, 0),
				nft.Verdict(expr.VerdictJump, "KUBE-SVC-A"),
			)
			f.Rule(
				services,
				nft.XTMatch("addrtype", 1, nft.Native([2]uint16{0, 1 << unix.RTN_LOCAL}, uint32(0))),
				nft.Verdict(expr.VerdictJump, "KUBE-NODEPORTS"),
			)
			f.Rule(ports, nft.XTPorts(30080, 30080, 0), nft.Verdict(expr.VerdictJump, "KUBE-SVC-A"))
			f.Rule(svc, nft.XTMatch("statistic", 0, make([]byte, 24)), nft.Verdict(expr.VerdictJump, "KUBE-SEP-A"))
			f.Rule(sep, nft.XTPorts(0, 65535, 0), nft.XTDNAT("10.244.0.5", 8080))
		}, map[string]string{
			"30080/tcp": "10.244.0.5:8080 in ip nat KUBE-SEP-A of kube-proxy, outside, ipv4, if random", "443/tcp": "",
		}},
		{"kube-proxy of nftables", v4, func(f *nft.Table, h *nettest.Host) {
			pre, ext := f.Prerouting(), f.Chain("external")
			f.Rule(ext, nft.DNAT("10.244.0.5", 8080))
			key := nftables.MustConcatSetType(addr4, nftables.TypeInetProto, service)
			s := f.Set(
				nftables.Set{IsMap: true, Concatenation: true, KeyType: key, DataType: nftables.TypeVerdict},
				nftables.SetElement{
					Key:         slices.Concat([]byte{10, 96, 0, 1}, []byte{6, 0, 0, 0}, nft.Port(443), []byte{0, 0}),
					VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: "external"},
				},
				nftables.SetElement{
					Key:         slices.Concat(h.Addr4.AsSlice(), []byte{6, 0, 0, 0}, nft.Port(417), []byte{0, 0}),
					VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: "external"},
				},
			)
			f.Rule(pre, []expr.Any{
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
				&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 9},
				&expr.Payload{DestRegister: 10, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			}, f.Map(s, 0))
		}, map[string]string{"417/tcp": "10.244.0.5:8080 in ip nat external, outside, ipv4", "443/tcp": "", "417/udp": ""}},
	}
}
