package packets

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"onmux/probe/local/nat"
	"onmux/probe/local/nfexpr"
	"onmux/probe/local/ruleset"
)

func TestNATCoverage(t *testing.T) {
	failed := errors.New("it broke")
	for want, r := range map[string]ruleset.Result{
		"": {},
		"NAT and firewall rules: 1 rule of nftables read":            {Status: ruleset.Complete, Rules: 1},
		"NAT and firewall rules: nftables has none":                  {Status: ruleset.NoRules},
		"NAT and firewall rules: not read: it broke":                 {Status: ruleset.NotOpened, Err: failed},
		"NAT and firewall rules: not all read: it broke":             {Status: ruleset.Failed, Err: failed},
		"NAT and firewall rules: this kernel has no nftables":        {Status: ruleset.Unsupported},
		"NAT and firewall rules: not readable without CAP_NET_ADMIN": {Status: ruleset.NotPermitted},
		"NAT and firewall rules: 2 rules of nftables read, not all followed to their end: there are too many": {
			Status: ruleset.Truncated, Rules: 2,
		},
		"NAT and firewall rules: nftables has none; NAT and firewall rules of legacy iptables: could not be read: " +
			"legacy tables ip mangle, ip nat": {
			Status: ruleset.NoRules, Legacy: []string{"ip mangle", "ip nat"},
		},
	} {
		if got := strings.Join(Coverage(r), "; "); got != want {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
		if hints := Hints(r, true); len(hints) > 0 != (r.Status == ruleset.NotPermitted) {
			t.Errorf("%+v: hints %q", r, hints)
		}
	}
}

func TestRedirectInWords(t *testing.T) {
	at := netip.MustParseAddr
	one := nfexpr.PortRange{First: 80, Last: 80}
	for want, target := range map[string]ruleset.Target{
		"port 80":                       {Port: ruleset.KnownPort, Ports: one},
		"port 80-90":                    {Port: ruleset.KnownPort, Ports: nfexpr.PortRange{First: 80, Last: 90}},
		"10.0.0.2:80":                   {Addr: at("10.0.0.2"), Port: ruleset.KnownPort, Ports: one},
		"[fd00::2]:80":                  {Addr: at("fd00::2"), Port: ruleset.KnownPort, Ports: one},
		"10.0.0.2 (same port)":          {Addr: at("10.0.0.2")},
		"a port that the rule computes": {Port: ruleset.ComputedPort},
		"10.0.0.2, a port that the rule computes": {Addr: at("10.0.0.2"), Port: ruleset.ComputedPort},
		"an address that the rule computes":       {AddrComputed: true},
	} {
		if got := targetName(target); got != want {
			t.Errorf("%+v: %q, want %q", target, got, want)
		}
	}
	for want, rule := range map[string]ruleset.Rule{
		"an nftables rule (table ip nat, chain pre)":       {Table: "ip nat", Chain: "pre"},
		"Docker's rule (table ip nat, chain DOCKER)":       {Table: "ip nat", Chain: "DOCKER", Maker: ruleset.Docker},
		"kube-proxy's rule (table ip nat, chain KUBE-A)":   {Table: "ip nat", Chain: "KUBE-A", Maker: ruleset.KubeProxy},
		"a CNI plugin's rule (table ip nat, chain CNI-)":   {Table: "ip nat", Chain: "CNI-", Maker: ruleset.CNI},
		"Podman's rule (table inet netavark, chain a)":     {Table: "inet netavark", Chain: "a", Maker: ruleset.Podman},
		`an nftables rule (table ip nat, chain "\x1b[2J")`: {Table: "ip nat", Chain: "\x1b[2J"},
	} {
		if got := ruleName(rule); got != want {
			t.Errorf("%+v: %q, want %q", rule, got, want)
		}
	}
	r := []nat.Redirect{{
		Target: ruleset.Target{
			Port:  ruleset.KnownPort,
			Ports: one,
		}, Rule: ruleset.Rule{Table: "ip nat", Chain: "pre"}, Scope: nat.Outside,
		Family: "ipv4", Addresses: []string{"192.0.2.1"},
		Conditions: []nfexpr.Condition{{Kind: nfexpr.Mark}, {Kind: nfexpr.UnknownMatch, Name: "x\n"}},
	}}
	want := "to port 80 by an nftables rule (table ip nat, chain pre), only from outside, over IPv4, for 192.0.2.1, " +
		`depending on a mark and the match "x\n" of iptables`
	CompleteRedirect(&r[0])
	if got := redirect(r[0]); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Every condition has a name of its own.
func TestConditionNames(t *testing.T) {
	var names []string
	for _, k := range []nfexpr.ConditionKind{
		nfexpr.SourceAddress, nfexpr.SourcePort, nfexpr.Interface, nfexpr.Mark, nfexpr.Sender, nfexpr.Random,
		nfexpr.ConnectionState, nfexpr.TCPFlags,
		nfexpr.Rate, nfexpr.Quota, nfexpr.ConnectionLimit, nfexpr.NamedObject, nfexpr.IPSet, nfexpr.AddressAndPort,
		nfexpr.UnreadSet,
		nfexpr.ThroughBridge, nfexpr.UnknownMatch, nfexpr.UnknownExpression, nfexpr.UnknownTarget, nfexpr.OtherCondition,
	} {
		name := conditionName(nfexpr.Condition{Kind: k, Name: "x"})
		if slices.Contains(names, name) {
			t.Errorf("%s: %q", k, name)
		}
		names = append(names, name)
	}
}
