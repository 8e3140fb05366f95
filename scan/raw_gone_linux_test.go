package scan_test

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/raw"
	"onmux/scan/target"
)

// tunWorld is a network behind a TUN device where a.2 is open and all else silent,
// and a.2.0/24 has a route.
func tunWorld(t *testing.T, name, self, open4 string) {
	t.Helper()
	device, err := tun(name, self)
	if err != nil {
		t.Skip("no TUN devices:", err)
	}
	w := &world{at: map[netip.Addr]fact{netip.MustParseAddr(open4): {deed: always(open)}}, asked: map[probe.Endpoint]int{}}
	var pumping sync.WaitGroup
	pumping.Go(func() { pump(w, device) })
	t.Cleanup(func() { device.Close(); pumping.Wait() })
}

// TestRawRouteDisappears takes the route away in the middle of a scan that the
// kernel routes: what could not be asked is told unknown, with the reason, and
// not silent.
func TestRawRouteDisappears(t *testing.T) {
	nettest.Need(t)
	tunWorld(t, "tungone", "10.99.0.1/32", "10.99.128.2")
	here(t, route("10.99.128.0/20", "tungone", 0, netip.Addr{}))
	plan := planOf(t, []probe.Port{tcp417}, "10.99.128.0/20")
	var once sync.Once
	s := story{}
	s.Outcome, s.err = scan.Run(t.Context(), scan.Config{Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan}), Rate: 4000, Retries: 1, Timeout: 100 * time.Millisecond},
		func(f scan.Finding) error {
			s.findings = append(s.findings, f)
			once.Do(func() { // the open one
				_, dst, err := net.ParseCIDR("10.99.128.0/20")
				if err == nil {
					err = netlink.RouteDel(&netlink.Route{Dst: dst})
				}
				if err != nil {
					t.Error(err)
				}
			})
			return nil
		})
	told := s.told(t)
	if s.States["open"] != 1 || s.States["unknown"] == 0 {
		t.Errorf("%+v, %v", s.Summary, s.err)
	}
	for e, r := range told {
		if r.State == probe.Unknown && !strings.Contains(r.Error, "no route") {
			t.Fatalf("%v: %q", e, r.Error)
		}
		if r.Reason == probe.NoResponse && r.Tries != 2 && s.Complete {
			t.Fatalf("%v is told silent after %d tries", e, r.Tries)
		}
	}
	t.Logf("%+v %v %v", s.Summary, s.err, s.Coverage)
}

// TestRawFirewalledOutput has a firewall of this machine drop what is sent: that
// is told, and is no silence.
func TestRawFirewalledOutput(t *testing.T) {
	nettest.Need(t)
	tunWorld(t, "tunwall", "10.100.0.1/24", "10.100.0.2")
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	table := c.AddTable(&nftables.Table{Name: "wall", Family: nftables.TableFamilyIPv4})
	chain := c.AddChain(&nftables.Chain{Name: "out", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter})
	c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{10, 100, 0, 2}},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}})
	if err := c.Flush(); err != nil {
		t.Skip("no nftables:", err)
	}
	t.Cleanup(func() { c.DelTable(table); _ = c.Flush() })
	for name, make := range map[string]func(*target.Plan) engine.Engine{
		"packets": func(p *target.Plan) engine.Engine { return newRaw(t, raw.Config{Targets: p}) },
		"sockets": func(*target.Plan) engine.Engine { return connect.New(connect.Config{}) },
	} {
		plan := planOf(t, both, "10.100.0.2")
		s := sweep(t.Context(), scan.Config{Plan: plan, Engine: make(plan), Retries: 1, Timeout: 200 * time.Millisecond, All: true})
		s.ok(t)
		for e, r := range s.told(t) {
			// Linux' TCP takes its own firewall for a network that loses packets.
			if name == "sockets" && e.Proto == probe.TCP {
				continue
			}
			if r.State != probe.Unknown || r.Reason != probe.LocalError || r.Error == "" {
				t.Errorf("%s: %v is %v (%v) %s", name, e, r.State, r.Reason, r.Error)
			}
		}
	}
}
