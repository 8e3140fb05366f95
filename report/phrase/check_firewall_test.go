package phrase

import (
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/firewall"
	"onmux/probe/local/nfexpr"
	"onmux/probe/local/ruleset"
	"onmux/report/phrase/packets"
)

func TestFirewalled(t *testing.T) {
	rule := ruleset.Rule{Table: "inet filter", Chain: "input"}
	mark := []ruleset.Doubt{{Condition: nfexpr.Condition{Kind: nfexpr.Mark}, Rule: rule}}
	queue := []ruleset.Doubt{{Condition: nfexpr.Condition{Kind: nfexpr.UnknownTarget, Name: "NFQUEUE"}, Rule: rule}}
	const out = firewall.Outside
	for want, outcomes := range map[string][]firewall.Outcome{
		"": {{Verdict: firewall.Accept, Scope: firewall.Any}},
		", but the firewall drops what comes to it: table inet filter, chain input": {
			{Verdict: firewall.Drop, Scope: out, Rule: rule}, {Verdict: firewall.Accept, Scope: firewall.Inside}},
		", but the firewall rejects what comes to it: table inet filter, chain input": {
			{Verdict: firewall.Reject, Scope: firewall.Any, Rule: rule}},
		", and the firewall accepts what comes to it: table inet filter, chain input": {
			{Verdict: firewall.Accept, Scope: firewall.Any, Rule: rule}},
		", but the firewall accepts what comes from 10.0.0.0/8, and drops the rest (table inet filter, chain input)": {
			{Verdict: firewall.Accept, Scope: out, Rule: rule, Sources: []string{"10.0.0.0/8"}},
			{Verdict: firewall.Drop, Scope: out, Rule: rule}},
		", but the firewall may drop what comes to it, which is not known: it depends on a mark (table inet filter, " +
			"chain input)": {
			{Verdict: firewall.NotKnown, Scope: out, Rule: rule, Doubts: mark}},
		", but the firewall may drop what comes to it, which is not known: not understood: the target NFQUEUE " +
			"(table inet filter, chain input)": {{Verdict: firewall.NotKnown, Scope: out, Rule: rule, Doubts: queue}},
		", but the firewall drops what comes to it over IPv4 (table inet filter, chain input), " +
			"and accepts what comes to it over IPv6 from where there is a route back": {
			{Verdict: firewall.Drop, Scope: out, Family: "ipv4", Rule: rule},
			{Verdict: firewall.Accept, Scope: out, Family: "ipv6", RouteBack: true}},
	} {
		for i := range outcomes {
			packets.CompleteOutcome(&outcomes[i])
		}
		f := local.Facts{Port: probe.Port{Number: 417}, Firewall: outcomes}
		g := group{sockets: []local.Listener{{Reach: "any", Family: "dual"}}}
		if got := firewalled(f, g); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// Of a socket that only this machine reaches, what the firewall does to others is no
// matter; of one of IPv4 what it does over IPv6.
func TestFirewalledElsewhere(t *testing.T) {
	f := local.Facts{Firewall: []firewall.Outcome{
		{Verdict: firewall.Drop, Scope: firewall.Outside, Family: "ipv6", By: "table ip6 filter, chain input"},
		{
			Verdict: firewall.Accept,
			Scope:   firewall.Outside,
			Family:  "ipv4",
		}, {Verdict: firewall.Accept, Scope: firewall.Inside}}}
	for _, l := range []local.Listener{{Reach: "loopback", Family: "ipv6"}, {Reach: "any", Family: "ipv4"}} {
		if got := firewalled(f, group{sockets: []local.Listener{l}}); got != "" {
			t.Errorf("%+v: %q", l, got)
		}
	}
}
