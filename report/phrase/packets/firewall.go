package packets

import (
	"fmt"
	"slices"
	"strings"

	"onmux/probe/local/firewall"
	"onmux/probe/local/nfexpr"
	"onmux/probe/local/ruleset"
	"onmux/probe/wording"
)

// CompleteOutcome writes the fields of an outcome that are words.
func CompleteOutcome(o *firewall.Outcome) {
	if o.By = ""; o.Rule != (ruleset.Rule{}) {
		o.By = chainName(o.Rule)
	}
	o.Unknown = nil
	for _, d := range o.Doubts {
		o.Unknown = append(o.Unknown, doubt(d.Condition))
	}
}

// chainName is "table inet filter, chain input".
func chainName(r ruleset.Rule) string {
	return fmt.Sprintf("table %s, chain %s", wording.Printable(r.Table), wording.Printable(r.Chain))
}

// doubt is why it is not known what the firewall does.
func doubt(c nfexpr.Condition) string {
	switch c.Kind {
	case nfexpr.UnknownMatch, nfexpr.UnknownExpression, nfexpr.UnknownTarget, nfexpr.LegacyTable, nfexpr.Program:
		return "not understood: " + conditionName(c)
	case nfexpr.UnreadSet:
		return "not read: a set"
	}
	return "it depends on " + conditionName(c)
}

// Blocking reports whether not everything is accepted.
func Blocking(all []firewall.Outcome) bool {
	return slices.ContainsFunc(all, func(o firewall.Outcome) bool { return o.Verdict != firewall.Accept })
}

// Outcomes is the outcomes of a scope, and of one family unless it is "".
func Outcomes(all []firewall.Outcome, scope firewall.Scope, family string) []firewall.Outcome {
	var out []firewall.Outcome
	for _, o := range all {
		if (o.Scope == firewall.Any || o.Scope == scope) && (o.Family == "" || family == "" || o.Family == family) {
			if family != "" {
				o.Family = ""
			}
			out = append(out, o)
		}
	}
	return out
}

// Clauses is what the firewall does: "drops what comes to it: table inet filter, chain
// input"; "" if no rule decides.
func Clauses(all []firewall.Outcome) string {
	decides := func(o firewall.Outcome) bool { return o.Verdict != firewall.Accept || o.By != "" && !o.Policy }
	if !slices.ContainsFunc(all, decides) {
		return ""
	}
	var parts []string
	for i, o := range all {
		what := packetsOf(o)
		if i > 0 && all[i-1].Family == o.Family {
			what = strings.Replace(what, "what comes to it", "the rest", 1)
		}
		part := ""
		switch o.Verdict {
		case firewall.Accept:
			part = "accepts " + what
		case firewall.Drop:
			part = "drops " + what
		case firewall.Reject:
			part = "rejects " + what
		default:
			part = "may drop " + what + ", which is not known: " + strings.Join(o.Unknown, "; ")
		}
		if same := i+1 < len(all) && all[i+1].By == o.By; o.By != "" && !same {
			part += " (" + o.By + ")"
		}
		parts = append(parts, part)
	}
	if len(parts) == 1 && all[0].By != "" && all[0].Verdict != firewall.NotKnown {
		return strings.TrimSuffix(parts[0], " ("+all[0].By+")") + ": " + all[0].By
	}
	return wording.Some(parts, ", and ", "more outcome", "more outcomes")
}

// packetsOf is "what comes to it over IPv6 from 10.0.0.0/8".
func packetsOf(o firewall.Outcome) string {
	text := "what comes to it"
	narrow := len(o.Sources)+len(o.Devices)+len(o.Addresses) > 0
	switch o.Family {
	case "ipv4":
		text += " over IPv4"
	case "ipv6":
		text += " over IPv6"
	}
	if len(o.Sources) > 0 {
		sources := wording.Some(o.Sources, ", ", "more network", "more networks")
		text += " from " + sources
	}
	if len(o.Devices) > 0 {
		text += " by " + wording.Some(o.Devices, ", ", "more device", "more devices")
	}
	if len(o.Addresses) > 0 {
		text += " for " + wording.Some(o.Addresses, ", ", "more address", "more addresses")
	}
	if narrow {
		text = strings.Replace(text, "what comes to it", "what comes", 1)
	}
	if o.RouteBack && o.Verdict == firewall.Accept {
		text += " from where there is a route back"
	}
	return text
}
