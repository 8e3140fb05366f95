package scan_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/raw"
	"onmux/scan/scantest"
	"onmux/scan/target"
)

// firewallRule is a rule and the reason that a port behind it must have.
type firewallRule struct {
	name    string
	do      nettest.Action
	tcpOnly bool
	want    probe.Reason
	family  int // of the rule: 4, 6, or 0 for both
}

// firewallRules are the ways to refuse that nftables has.
func firewallRules() []firewallRule {
	all := []firewallRule{
		{name: "drop", do: nettest.Drop(), want: none},
		{name: "tcp reset", do: nettest.Reset(), want: probe.Reset, tcpOnly: true},
	}
	for _, c := range []struct {
		family int
		code   uint8
		want   probe.Reason
	}{
		{4, 0, probe.NetUnreach}, {4, 1, probe.HostUnreach}, {4, 2, probe.ProtoUnreach}, {4, 3, probe.PortUnreach},
		{4, 9, probe.NetProhibited}, {4, 10, probe.HostProhibited}, {4, 13, probe.AdminProhibited},
		{6, 0, probe.NetUnreach}, {6, 1, probe.AdminProhibited}, {6, 3, probe.HostUnreach},
		{6, 4, probe.PortUnreach}, {6, 5, probe.AdminProhibited}, {6, 6, probe.NetProhibited},
	} {
		all = append(
			all,
			firewallRule{
				name:   fmt.Sprintf("ICMPv%d code %d", c.family, c.code),
				do:     nettest.Unreachable(c.code),
				want:   c.want,
				family: c.family,
			},
		)
	}
	return all
}

// expected is what must be reported of an endpoint, and which host sent the answer if
// not the endpoint itself.
type expected struct {
	what   string
	reason probe.Reason
	by     netip.Addr
}

// kernels is a host behind two routers, all of them Linux, and what is true of it.
type kernels struct {
	*nettest.Chain
	truth map[probe.Endpoint]expected
	ports []probe.Port
	nets  []string
}

// is notes what is true of a port of the target, for one family or both.
func (k *kernels) is(what string, family int, p probe.Port, r probe.Reason, router int) {
	for _, f := range []struct {
		number int
		hops   []netip.Addr
	}{{4, k.Hops4}, {6, k.Hops6}} {
		if family != 0 && family != f.number {
			continue
		}
		v := expected{what: what, reason: r}
		if router >= 0 {
			v.by = f.hops[router]
		}
		k.truth[probe.Endpoint{Addr: f.hops[2], Port: p.Number, Proto: p.Proto}] = v
	}
}

// walled gives every wall a port of its own, once on the target and once on the router
// before it.
func (k *kernels) walled(t *testing.T) {
	families := map[int]string{0: "inet", 4: "ip", 6: "ip6"}
	for i, w := range firewallRules() {
		for _, answersWith := range []struct {
			name   string
			base   uint16
			rule   func(testing.TB, string, nettest.Rule)
			router int
		}{{"target", 1000, k.Hosts[2].Rule, -1}, {"router", 2000, k.Hosts[1].Forward, 1}} {
			for _, proto := range probe.Protos() {
				if w.tcpOnly && proto == probe.UDP {
					continue
				}
				p := probe.Port{Number: answersWith.base + uint16(i), Proto: proto}
				answersWith.rule(t, families[w.family], nettest.Rule{Proto: proto.String(), Port: p.Number, Do: w.do})
				router := answersWith.router
				if w.want == none || w.want == probe.Reset {
					router = -1
				}
				k.is(w.name+" by the "+answersWith.name, w.family, p, w.want, router)
				k.ports = append(k.ports, p)
			}
		}
	}
}

// served has the target answer on 417 and nowhere else.
func (k *kernels) served(t *testing.T) {
	for _, at := range []netip.Addr{k.Hops4[2], k.Hops6[2]} {
		var l net.Listener
		k.Hosts[2].Setup(t, func() error {
			answers(
				t,
				netip.AddrPortFrom(at, 417).String(),
				func(c *net.UDPConn, b []byte) (*net.UDPConn, []byte) { return c, b },
			)
			var err error
			l, err = net.Listen("tcp", netip.AddrPortFrom(at, 417).String())
			return err
		})
		t.Cleanup(func() { l.Close() })
	}
	for number, reasons := range map[uint16][2]probe.Reason{417: {probe.SynAck, probe.UDPResponse}, 418: {probe.Reset,
		probe.PortUnreach}} {
		for i, proto := range probe.Protos() {
			p := probe.Port{Number: number, Proto: proto}
			k.is("no firewall", 0, p, reasons[i], -1)
			k.ports = append(k.ports, p)
		}
	}
}

// routed gives the first router dead ends of every kind, and a loop with the second.
func (k *kernels) routed(t *testing.T) {
	for i, end := range []struct {
		kind   int
		v4, v6 probe.Reason
	}{
		{unix.RTN_UNREACHABLE, probe.HostUnreach, probe.NetUnreach}, {unix.RTN_PROHIBIT, probe.AdminProhibited,
			probe.AdminProhibited},
		{unix.RTN_BLACKHOLE, none, none}, {0, probe.TimeExceeded, probe.TimeExceeded},
	} {
		for _, f := range []struct {
			net    string
			at     netip.Addr
			hops   []netip.Addr
			reason probe.Reason
		}{
			{fmt.Sprintf("10.43.%d.1/32", i), netip.AddrFrom4([4]byte{10, 43, byte(i), 1}), k.Hops4, end.v4},
			{fmt.Sprintf("fd43::%d/128", i+1), netip.MustParseAddr(fmt.Sprintf("fd43::%d", i+1)), k.Hops6, end.v6},
		} {
			if err := route(f.net, k.Hosts[0].Device, 0, f.hops[0])(); err != nil {
				t.Fatal(err)
			}
			via := netip.Addr{}
			if end.kind == 0 {
				via = f.hops[1]
				k.Hosts[1].Setup(t, route(f.net, "last", 0, f.hops[1].Prev()))
			}
			k.Hosts[0].Setup(t, route(f.net, "", end.kind, via))
			k.nets = append(k.nets, f.at.String())
			for _, proto := range probe.Protos() {
				v := expected{what: fmt.Sprintf("route of kind %d", end.kind), reason: f.reason, by: f.hops[0]}
				if f.reason == none || f.reason == probe.TimeExceeded { // of a loop either may report it
					v.by = netip.Addr{}
				}
				k.truth[probe.Endpoint{Addr: f.at, Port: 417, Proto: proto}] = v
			}
		}
	}
}

// newKernels makes the hosts of TestTruthOfKernels.
func newKernels(t *testing.T) *kernels {
	k := &kernels{Chain: nettest.NewChain(t, 3), truth: make(map[probe.Endpoint]expected)}
	for _, h := range k.Hosts {
		h.UnlimitedICMP(t)
	}
	k.served(t)
	k.walled(t)
	k.routed(t)
	for _, a := range []netip.Addr{k.Hops4[2], k.Hops6[2]} { // links take up to a second to come up
		c, err := net.DialTimeout("tcp", netip.AddrPortFrom(a, 417).String(), 20*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	return k
}

// TestTruthOfKernels checks both engines against hosts, routers and firewalls that are
// Linux's own. Each has a router of its own: it sends one host five errors about routes that
// lead nowhere, and then one a second (ip_error in net/ipv4/route.c), which no
// namespace can change.
func TestTruthOfKernels(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T, *target.Plan) engine.Engine{
		"packets": func(t *testing.T, p *target.Plan) engine.Engine { return newRaw(t, raw.Config{Targets: p, Tries: 2}) },
		"sockets": func(*testing.T, *target.Plan) engine.Engine { return connect.New(connect.Config{}) },
	} {
		t.Run(name, func(t *testing.T) {
			if !nettest.OwnNamespace(t) {
				return
			}
			k := newKernels(t)
			seen := 0
			for _, plan := range []*target.Plan{scantest.NewPlan(t, k.ports, k.Hops4[2].String(), k.Hops6[2].String()),
				scantest.NewPlan(t, both, k.nets...)} {
				s := scantest.Run(
					t.Context(),
					scan.Config{Plan: plan, Engine: make(t, plan), Retries: 1, Timeout: time.Second, All: true},
				)
				s.RequireComplete(t)
				for e, r := range s.Results(t) {
					want, ok := k.truth[e]
					if !ok {
						continue // a port of the other family's rule
					}
					seen++
					if r.Reason != want.reason || r.State != probe.Verdict(e.Proto, want.reason, !want.by.IsValid()) {
						t.Errorf("%s: %v is reported as %v (%v) %s, want %v", want.what, e, r.State, r.Reason, r.Error, want.reason)
					} else if want.by.IsValid() && r.Responder != want.by {
						t.Errorf("%s: %v: sent by %v, not %v", want.what, e, r.Responder, want.by)
					}
				}
			}
			if seen != len(k.truth) {
				t.Errorf("%d endpoints of %d", seen, len(k.truth))
			}
		})
	}
}
