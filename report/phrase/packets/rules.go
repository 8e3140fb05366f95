package packets

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strings"

	"onmux/probe/local/nat"
	"onmux/probe/local/nfexpr"
	"onmux/probe/local/ruleset"
	"onmux/probe/wording"
)

// Coverage states how much of the rules was looked at.
func Coverage(r ruleset.Result) []string {
	const what = "NAT and firewall rules"
	var all []string
	n := wording.Count(r.Rules, "rule", "rules")
	switch r.Status {
	case ruleset.Complete:
		all = append(all, fmt.Sprintf("%s: %s of nftables read", what, n))
	case ruleset.NoRules:
		all = append(all, what+": nftables has none")
	case ruleset.NotOpened:
		all = append(all, what+": not read: "+r.Err.Error())
	case ruleset.NotPermitted:
		all = append(all, what+": not readable without CAP_NET_ADMIN")
	case ruleset.Unsupported:
		all = append(all, what+": this kernel has no nftables")
	case ruleset.Failed:
		all = append(all, fmt.Sprintf("%s: not all read: %v", what, r.Err))
	case ruleset.Truncated:
		all = append(all, fmt.Sprintf("%s: %s of nftables read, not all followed to their end: there are too many", what, n))
	}
	if r.LegacyUnread && r.Status != ruleset.NotPermitted && r.Status != ruleset.NotOpened {
		all = append(all, what+" of legacy iptables: which tables there are is not readable")
	}
	if len(r.Legacy) > 0 {
		all = append(all, what+" of legacy iptables: could not be read: legacy tables "+
			wording.Some(r.Legacy, ", ", "more", "more"))
	}
	return all
}

// Hints states what more privilege would find of the rules.
func Hints(r ruleset.Result, trace bool) []string {
	if r.Status != ruleset.NotPermitted {
		return nil
	}
	hint := "CAP_NET_ADMIN, as root has it, is needed to read NAT and firewall rules"
	if trace {
		hint += "; --trace finds where this machine's own connections are sent"
	}
	return []string{hint}
}

// Wide states which rules do not make a verdict of each port that they cover,
// where every port was asked for.
func Wide(wide []ruleset.Rule) []string {
	if len(wide) == 0 {
		return nil
	}
	rules := slices.Compact(slices.Sorted(slices.Values(ruleNames(wide))))
	return []string{fmt.Sprintf(
		"ports that are sent on by %s: listed only where another reason is, because each of the rules covers more than %d",
		wording.Some(rules, " and ", "other rule", "other rules"), nat.MaxSelected)}
}

func ruleNames(rules []ruleset.Rule) []string {
	var names []string
	for _, r := range rules {
		names = append(names, ruleName(r))
	}
	return names
}

// ruleName is "an nftables rule (table ip nat, chain prerouting)".
func ruleName(r ruleset.Rule) string { return redirectingRule(r, nat.NAT) }

// redirectingRule is ruleName of a rule that sends packets on by some means.
func redirectingRule(r ruleset.Rule, by nat.Means) string {
	who := "an nftables rule"
	switch by {
	case nat.TPROXY:
		who = "an nftables rule for TPROXY"
	case nat.Rewriting:
		who = "an nftables rule that rewrites headers"
	}
	switch r.Maker {
	case ruleset.Docker:
		who = "Docker's rule"
	case ruleset.KubeProxy:
		who = "kube-proxy's rule"
	case ruleset.CNI:
		who = "a CNI plugin's rule"
	case ruleset.Podman:
		who = "Podman's rule"
	}
	return fmt.Sprintf("%s (table %s, chain %s)", who, wording.Printable(r.Table), wording.Printable(r.Chain))
}

// redirector names what sends packets on.
func redirector(r nat.Redirect) string {
	switch r.Means {
	case nat.IPVS:
		return "IPVS, the kernel's load balancer (virtual service " + r.Service + ")"
	case nat.SKLookup:
		return fmt.Sprintf(
			"the BPF program %s (sk_lookup, id %d)",
			wording.Printable(cmp.Or(r.Program.Name, "without a name")),
			r.Program.ID,
		)
	}
	return redirectingRule(r.Rule, r.Means)
}

// targetName is "port 8417" of this machine, or "10.0.0.2:80".
func targetName(t ruleset.Target) string {
	if t.AddrComputed {
		return "an address that the rule computes"
	}
	port := ""
	switch {
	case t.Port == ruleset.UnknownSocket:
		return "another socket"
	case t.Port == ruleset.ComputedPort:
		port = "a port that the rule computes"
	case t.Port == ruleset.KnownPort && t.Ports.First == t.Ports.Last:
		port = fmt.Sprint(t.Ports.First)
	case t.Port == ruleset.KnownPort:
		port = fmt.Sprintf("%d-%d", t.Ports.First, t.Ports.Last)
	}
	switch {
	case !t.Addr.IsValid() && t.Port == ruleset.ComputedPort:
		return port
	case t.Port == ruleset.ComputedPort:
		return t.Addr.String() + ", " + port
	case !t.Addr.IsValid():
		return "port " + port
	case port == "":
		return t.Addr.String() + " (same port)"
	}
	return net.JoinHostPort(t.Addr.String(), port)
}

// conditionName is what a rule depends on.
func conditionName(c nfexpr.Condition) string {
	switch c.Kind {
	case nfexpr.SourceAddress:
		return "the source address"
	case nfexpr.SourcePort:
		return "the source port"
	case nfexpr.Interface:
		return "the interface"
	case nfexpr.Mark:
		return "a mark"
	case nfexpr.Sender:
		return "the sending user"
	case nfexpr.Random:
		return "chance"
	case nfexpr.ConnectionState:
		return "the connection's state"
	case nfexpr.TCPFlags:
		return "TCP flags"
	case nfexpr.Rate:
		return "the rate"
	case nfexpr.Quota:
		return "a quota"
	case nfexpr.ConnectionLimit:
		return "the number of connections"
	case nfexpr.NamedObject:
		return "a named object"
	case nfexpr.IPSet:
		return "an ipset"
	case nfexpr.AddressAndPort:
		return "the address and the port together"
	case nfexpr.LegacyTable:
		return "table " + wording.Printable(c.Name) + " of legacy iptables"
	case nfexpr.Program:
		return "the BPF program " + wording.Printable(strings.TrimSpace(c.Name))
	case nfexpr.ThroughBridge:
		return "whether it arrives through a bridge"
	case nfexpr.UnreadSet:
		return "a set that could not be read"
	case nfexpr.UnknownMatch:
		return "the match " + wording.Printable(c.Name) + " of iptables"
	case nfexpr.UnknownExpression:
		return "an expression that is not known here (" + wording.Printable(c.Name) + ")"
	case nfexpr.UnknownTarget:
		return strings.TrimSpace("the target " + wording.Printable(c.Name))
	}
	if c.Name != "" {
		return "something else in the packet (" + wording.Printable(c.Name) + ")"
	}
	return "something else in the packet"
}

// CompleteRedirect writes the fields of a redirect that are words.
func CompleteRedirect(r *nat.Redirect) {
	r.To, r.By, r.If = targetName(r.Target), redirector(*r), nil
	for _, c := range r.Conditions {
		r.If = append(r.If, conditionName(c))
	}
}

// redirect is "to port 8417 by an nftables rule (table ip nat, chain prerouting),
// only from outside".
func redirect(r nat.Redirect) string {
	var only []string
	switch r.Scope {
	case nat.Outside:
		only = append(only, "only from outside")
	case nat.Inside:
		only = append(only, "only from this machine")
	}
	switch r.Family {
	case "ipv4":
		only = append(only, "over IPv4")
	case "ipv6":
		only = append(only, "over IPv6")
	}
	if len(r.Addresses) > 0 {
		only = append(only, "for "+wording.Some(r.Addresses, " and ", "other address", "other addresses"))
	}
	if len(r.If) > 0 {
		only = append(only, "depending on "+wording.Some(r.If, " and ", "other condition", "other conditions"))
	}
	return strings.Join(append([]string{fmt.Sprintf("to %s by %s", r.To, r.By)}, only...), ", ")
}

// Redirects names where arrivals are sent.
func Redirects(all []nat.Redirect) string {
	var parts []string
	for _, r := range all {
		parts = append(parts, redirect(r))
	}
	return wording.Some(parts, "; ", "more rule", "more rules")
}

// UnknownRules names the rules that cover the port and that were not understood.
func UnknownRules(rules []ruleset.Rule) string {
	return "where arrivals go is not known: not understood: " +
		wording.Some(ruleNames(rules), " and ", "other rule", "other rules")
}
