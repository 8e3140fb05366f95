package local

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"onmux/probe"
)

// Redirect is a NAT rule of this machine that sends on what comes for a port.
type Redirect struct {
	To        string   `json:"to"`                  // "port 8417" of this machine, or "10.0.0.2:80"
	By        string   `json:"by"`                  // "an nftables rule (table ip nat, chain prerouting)"
	Scope     string   `json:"scope"`               // "any", "outside" (what arrives) or "inside" (what this machine itself sends)
	Family    string   `json:"family,omitempty"`    // "ipv4" or "ipv6"; "" is both
	Addresses []string `json:"addresses,omitempty"` // the own addresses that it covers, if not all
	If        []string `json:"if,omitempty"`        // what else it depends on, such as "the source address"
}

// The scopes of a Redirect.
const (
	scopeAny     = "any"
	scopeOutside = "outside"
	scopeInside  = "inside"
)

// nat is what is known of the NAT rules; the zero value: they were not looked at.
type nat struct {
	of       map[probe.Port][]Redirect
	picked   map[probe.Port]struct{} // ports of of that a rule picks out of all
	wide     map[string]struct{}     // the other rules, by Redirect.By
	unread   map[probe.Port][]string // rules that cover the port and could not be read
	missed   bool                    // there may be rules that were not seen
	coverage []string
	hints    []string
}

// String is "to port 8417 by an nftables rule (table ip nat, chain prerouting),
// only from outside".
func (s Redirect) String() string {
	said := fmt.Sprintf("to %s by %s", s.To, s.By)
	var only []string
	switch s.Scope {
	case scopeOutside:
		only = append(only, "only from outside")
	case scopeInside:
		only = append(only, "only from this machine")
	}
	switch s.Family {
	case "ipv4":
		only = append(only, "over IPv4")
	case "ipv6":
		only = append(only, "over IPv6")
	}
	if len(s.Addresses) > 0 {
		only = append(only, "for "+some(s.Addresses, " and ", "other address", "other addresses"))
	}
	if len(s.If) > 0 {
		only = append(only, "depending on "+some(s.If, " and ", "other condition", "other conditions"))
	}
	if len(only) > 0 {
		said += ", " + strings.Join(only, ", ")
	}
	return said
}

// onward names where arrivals are sent.
func onward(all []Redirect) string {
	var parts []string
	for _, r := range all {
		parts = append(parts, r.String())
	}
	return some(parts, "; ", "more rule", "more rules")
}

// untold says which rules do not make a verdict of each port that they cover,
// where every port was asked for.
func (n nat) untold() []string {
	if len(n.wide) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("ports that are sent on by %s: told only where another reason is, because each of the rules covers more than %d",
		some(slices.Sorted(maps.Keys(n.wide)), " and ", "other rule", "other rules"), maxPicked)}
}

// maxPicked is of how many ports a rule can pick out each: one of more, as that
// of a proxy that takes everything, says nothing of any.
const maxPicked = 1024

func (f finding) whyRedirected() string {
	how := "sent on " + onward(f.redirects)
	if len(f.redirects) == 0 {
		how = f.whyAnswered() + "; something sends it on, NAT or the like"
	}
	return fmt.Sprintf("%s; nothing listens on %d itself%s", how, f.port.Number, f.connections())
}

// rules says what NAT does beside the verdict.
func (f finding) rules(word Word) string {
	said := ""
	if len(f.redirects) > 0 && word != Redirected {
		said += "; but first, arrivals are sent on " + onward(f.redirects)
	}
	if what := f.misunderstood(); what != "" && !slices.Contains(f.caveats(word), what) {
		said += "; " + what
	}
	return said
}

// misunderstood names the rules that cover the port and that could not be read.
func (f finding) misunderstood() string {
	if len(f.unread) == 0 {
		return ""
	}
	return "what becomes of arrivals is not known: not understood was " + some(f.unread, " and ", "other rule", "other rules")
}
