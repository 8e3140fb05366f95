package phrase

import (
	"errors"
	"net/netip"
	"onmux/probe/local/nat"
	"slices"
	"strings"
	"testing"
)

func TestNATCoverage(t *testing.T) {
	failed := errors.New("it broke")
	for want, r := range map[string]nat.Result{
		"":                                              {},
		"NAT rules: 1 rule of nftables read":            {Status: nat.Complete, Rules: 1},
		"NAT rules: nftables has none":                  {Status: nat.NoRules},
		"NAT rules: not read: it broke":                 {Status: nat.NotOpened, Err: failed},
		"NAT rules: not all read: it broke":             {Status: nat.Failed, Err: failed},
		"NAT rules: this kernel has no nftables":        {Status: nat.Unsupported},
		"NAT rules: not readable without CAP_NET_ADMIN": {Status: nat.NotPermitted},
		"NAT rules: 2 rules of nftables read, not all followed to their end: there are too many": {
			Status: nat.Truncated, Rules: 2,
		},
		"NAT rules: nftables has none; NAT rules of legacy iptables: there is a nat table, which was not looked at": {
			Status: nat.NoRules, OtherRules: true,
		},
	} {
		if got := strings.Join(natCoverage(r), "; "); got != want {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
		if hints := natHints(r, true); len(hints) > 0 != (r.Status == nat.NotPermitted) {
			t.Errorf("%+v: hints %q", r, hints)
		}
	}
}

func TestRedirectInWords(t *testing.T) {
	at := netip.MustParseAddr
	one := nat.PortRange{First: 80, Last: 80}
	for want, target := range map[string]nat.Target{
		"port 80":                       {Port: nat.KnownPort, Ports: one},
		"port 80-90":                    {Port: nat.KnownPort, Ports: nat.PortRange{First: 80, Last: 90}},
		"10.0.0.2:80":                   {Addr: at("10.0.0.2"), Port: nat.KnownPort, Ports: one},
		"[fd00::2]:80":                  {Addr: at("fd00::2"), Port: nat.KnownPort, Ports: one},
		"10.0.0.2 (same port)":          {Addr: at("10.0.0.2")},
		"a port that the rule computes": {Port: nat.ComputedPort},
		"10.0.0.2, a port that the rule computes": {Addr: at("10.0.0.2"), Port: nat.ComputedPort},
		"an address that the rule computes":       {AddrComputed: true},
	} {
		if got := targetName(target); got != want {
			t.Errorf("%+v: %q, want %q", target, got, want)
		}
	}
	for want, rule := range map[string]nat.Rule{
		"an nftables rule (table ip nat, chain pre)":       {Table: "ip nat", Chain: "pre"},
		"Docker's rule (table ip nat, chain DOCKER)":       {Table: "ip nat", Chain: "DOCKER", Maker: nat.Docker},
		"kube-proxy's rule (table ip nat, chain KUBE-A)":   {Table: "ip nat", Chain: "KUBE-A", Maker: nat.KubeProxy},
		"a CNI plugin's rule (table ip nat, chain CNI-)":   {Table: "ip nat", Chain: "CNI-", Maker: nat.CNI},
		"Podman's rule (table inet netavark, chain a)":     {Table: "inet netavark", Chain: "a", Maker: nat.Podman},
		`an nftables rule (table ip nat, chain "\x1b[2J")`: {Table: "ip nat", Chain: "\x1b[2J"},
	} {
		if got := ruleName(rule); got != want {
			t.Errorf("%+v: %q, want %q", rule, got, want)
		}
	}
	r := []nat.Redirect{{
		Target: nat.Target{
			Port:  nat.KnownPort,
			Ports: one,
		}, Rule: nat.Rule{Table: "ip nat", Chain: "pre"}, Scope: nat.Outside,
		Family: "ipv4", Addresses: []string{"192.0.2.1"},
		Conditions: []nat.Condition{{Kind: nat.Mark}, {Kind: nat.UnknownMatch, Name: "x\n"}},
	}}
	want := "to port 80 by an nftables rule (table ip nat, chain pre), only from outside, over IPv4, for 192.0.2.1, " +
		`depending on a mark and the match "x\n" of iptables`
	completeRedirect(&r[0])
	if got := redirect(r[0]); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Every condition has a name of its own.
func TestConditionNames(t *testing.T) {
	var names []string
	for _, k := range []nat.ConditionKind{
		nat.SourceAddress, nat.SourcePort, nat.Interface, nat.Mark, nat.Sender, nat.Random, nat.ConnectionState, nat.TCPFlags,
		nat.Rate, nat.Quota, nat.ConnectionLimit, nat.NamedObject, nat.IPSet, nat.AddressAndPort, nat.UnreadSet,
		nat.UnknownMatch, nat.UnknownExpression, nat.UnknownTarget, nat.OtherCondition,
	} {
		name := conditionName(nat.Condition{Kind: k, Name: "x"})
		if slices.Contains(names, name) {
			t.Errorf("%s: %q", k, name)
		}
		names = append(names, name)
	}
}
