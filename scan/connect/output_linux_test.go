package connect_test

import (
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
	"onmux/scan"
	"onmux/scan/connect"
	"onmux/scan/scantest"
)

// TestOwnFirewall: SYNs that a firewall of this machine drops are no silence of the target, also
// when the scan waits for less time than the kernel takes to send another. What the target drops is.
func TestOwnFirewall(t *testing.T) {
	if !nettest.OwnNamespace(t) {
		return
	}
	h := nettest.NewReadyHost(t)
	const dropped, silent, closed = 5991, 5992, 5993
	for _, family := range []nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyIPv6} {
		f := nft.New(family)
		f.Rule(f.Filter(nftables.ChainHookOutput), nft.ToPort(dropped), nft.Verdict(expr.VerdictDrop, ""))
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	h.Rule(t, "inet", nettest.Rule{Proto: "tcp", Port: silent, Do: nettest.Drop()})
	var ports []probe.Port
	for _, n := range []uint16{dropped, silent, closed} {
		ports = append(ports, probe.Port{Number: n, Proto: probe.TCP})
	}
	plan := scantest.NewPlan(t, ports, h.Addr4.String(), h.Addr6.String())
	s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: connect.New(connect.Config{}), Retries: 1, All: true})
	want := map[uint16]probe.Reason{dropped: probe.LocalError, silent: probe.NoResponse, closed: probe.Reset}
	for e, r := range s.Results(t) {
		if r.Reason != want[e.Port] {
			t.Errorf("%v is %v (%v) %s", e, r.State, r.Reason, r.Error)
		}
	}
}
