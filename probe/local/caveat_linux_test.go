package local_test

import (
	"slices"
	"testing"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
)

const rulesMissed = "not every NAT rule and BPF program could be read, and one may send arrivals on"

// A rule that sends connections to nowhere shows by their silence where the rules
// may not be read.
func TestTraceLost(t *testing.T) {
	nettest.InHost(t, func(*nettest.Host) {
		addOutputRule(t, nft.ToPort(4461), nft.DNAT("192.0.2.1", 9))
		facts := []fact{
			{port: probe.Port{Number: 4461, Proto: probe.TCP}, verdict: Unknown},
			{port: probe.Port{Number: 4462, Proto: probe.TCP}, verdict: Free},
		}
		for i, v := range as(t, "tracer", facts).Verdicts {
			if v.Verdict != facts[i].verdict || v.Verdict == Free && !slices.Contains(v.Caveats, rulesMissed) {
				t.Errorf("%+v, want %s", v, facts[i].verdict)
			}
		}
	})
}
