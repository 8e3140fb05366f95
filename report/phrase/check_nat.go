package phrase

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"onmux/probe/local"
	"onmux/probe/local/nat"
	"onmux/probe/wording"
)

// natCoverage states how much of the NAT rules was looked at.
func natCoverage(r nat.Result) []string {
	var all []string
	n := wording.Count(r.Rules, "rule", "rules")
	switch r.Status {
	case nat.Complete:
		all = append(all, fmt.Sprintf("NAT rules: %s of nftables read", n))
	case nat.NoRules:
		all = append(all, "NAT rules: nftables has none")
	case nat.NotOpened:
		all = append(all, "NAT rules: not read: "+r.Err.Error())
	case nat.NotPermitted:
		all = append(all, "NAT rules: not readable without CAP_NET_ADMIN")
	case nat.Unsupported:
		all = append(all, "NAT rules: this kernel has no nftables")
	case nat.Failed:
		all = append(all, fmt.Sprintf("NAT rules: not all read: %v", r.Err))
	case nat.Truncated:
		all = append(all, fmt.Sprintf("NAT rules: %s of nftables read, not all followed to their end: there are too many", n))
	}
	if r.OtherRules {
		all = append(all, "NAT rules of legacy iptables: there is a nat table, which was not looked at")
	}
	return all
}

// natHints states what more privilege would find of NAT rules.
func natHints(r nat.Result, trace bool) []string {
	if r.Status != nat.NotPermitted {
		return nil
	}
	hint := "CAP_NET_ADMIN, as root has it, is needed to read NAT rules"
	if trace {
		hint += "; --trace finds where this machine's own connections are sent"
	}
	return []string{hint}
}

// wideRules states which rules do not make a verdict of each port that they cover,
// where every port was asked for.
func wideRules(r nat.Result) []string {
	if len(r.Wide) == 0 {
		return nil
	}
	rules := slices.Compact(slices.Sorted(slices.Values(ruleNames(r.Wide))))
	return []string{fmt.Sprintf(
		"ports that are sent on by %s: listed only where another reason is, because each of the rules covers more than %d",
		some(rules, " and ", "other rule", "other rules"), nat.MaxSelected)}
}

func ruleNames(rules []nat.Rule) []string {
	var names []string
	for _, r := range rules {
		names = append(names, ruleName(r))
	}
	return names
}

// ruleName is "an nftables rule (table ip nat, chain prerouting)".
func ruleName(r nat.Rule) string {
	who := "an nftables rule"
	switch r.Maker {
	case nat.Docker:
		who = "Docker's rule"
	case nat.KubeProxy:
		who = "kube-proxy's rule"
	case nat.CNI:
		who = "a CNI plugin's rule"
	case nat.Podman:
		who = "Podman's rule"
	}
	return fmt.Sprintf("%s (table %s, chain %s)", who, printable(r.Table), printable(r.Chain))
}

// targetName is "port 8417" of this machine, or "10.0.0.2:80".
func targetName(t nat.Target) string {
	if t.AddrComputed {
		return "an address that the rule computes"
	}
	port := ""
	switch {
	case t.Port == nat.ComputedPort:
		port = "a port that the rule computes"
	case t.Port == nat.KnownPort && t.Ports.First == t.Ports.Last:
		port = fmt.Sprint(t.Ports.First)
	case t.Port == nat.KnownPort:
		port = fmt.Sprintf("%d-%d", t.Ports.First, t.Ports.Last)
	}
	switch {
	case !t.Addr.IsValid() && t.Port == nat.ComputedPort:
		return port
	case t.Port == nat.ComputedPort:
		return t.Addr.String() + ", " + port
	case !t.Addr.IsValid():
		return "port " + port
	case port == "":
		return t.Addr.String() + " (same port)"
	}
	return net.JoinHostPort(t.Addr.String(), port)
}

// conditionName is what a rule depends on.
func conditionName(c nat.Condition) string {
	switch c.Kind {
	case nat.SourceAddress:
		return "the source address"
	case nat.SourcePort:
		return "the source port"
	case nat.Interface:
		return "the interface"
	case nat.Mark:
		return "a mark"
	case nat.Sender:
		return "the sending user"
	case nat.Random:
		return "chance"
	case nat.ConnectionState:
		return "the connection's state"
	case nat.TCPFlags:
		return "TCP flags"
	case nat.Rate:
		return "the rate"
	case nat.Quota:
		return "a quota"
	case nat.ConnectionLimit:
		return "the number of connections"
	case nat.NamedObject:
		return "a named object"
	case nat.IPSet:
		return "an ipset"
	case nat.AddressAndPort:
		return "the address and the port together"
	case nat.UnreadSet:
		return "a set that could not be read"
	case nat.UnknownMatch:
		return "the match " + printable(c.Name) + " of iptables"
	case nat.UnknownExpression:
		return "an expression that is not known here (" + printable(c.Name) + ")"
	case nat.UnknownTarget:
		return strings.TrimSpace("the target " + printable(c.Name))
	}
	return "something else in the packet"
}

// completeRedirect writes the fields of a redirect that are words.
func completeRedirect(r *nat.Redirect) {
	r.To, r.By, r.If = targetName(r.Target), ruleName(r.Rule), nil
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
		only = append(only, "for "+some(r.Addresses, " and ", "other address", "other addresses"))
	}
	if len(r.If) > 0 {
		only = append(only, "depending on "+some(r.If, " and ", "other condition", "other conditions"))
	}
	return strings.Join(append([]string{fmt.Sprintf("to %s by %s", r.To, r.By)}, only...), ", ")
}

// redirects names where arrivals are sent.
func redirects(all []nat.Redirect) string {
	var parts []string
	for _, r := range all {
		parts = append(parts, redirect(r))
	}
	return some(parts, "; ", "more rule", "more rules")
}

// rulesBeside is what NAT rules do beside the verdict.
func rulesBeside(word local.Word, f local.Facts) string {
	text := ""
	if len(f.NAT.Redirects) > 0 && word != local.Redirected {
		text += "; but first, arrivals are sent on " + redirects(f.NAT.Redirects)
	}
	if len(f.NAT.Unknown) > 0 && !slices.Contains(f.Caveats, local.RulesUnknown) {
		text += "; " + unknownRules(f.NAT.Unknown)
	}
	return text
}

// unknownRules names the rules that cover the port and that were not understood.
func unknownRules(rules []nat.Rule) string {
	return "where arrivals go is not known: not understood: " +
		some(ruleNames(rules), " and ", "other rule", "other rules")
}
