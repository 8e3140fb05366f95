package firewall

import (
	"cmp"
	"math"
	"slices"

	"onmux/probe"
	"onmux/probe/local/bpf"
	"onmux/probe/local/nfexpr"
	"onmux/probe/local/ruleset"
)

// Verdict is what the firewall does.
type Verdict string

// Every Verdict.
const (
	Accept   Verdict = "accept"
	Drop     Verdict = "drop"
	Reject   Verdict = "reject" // with an answer
	NotKnown Verdict = "not known"
)

// Scope is from where packets come.
type Scope string

// Every Scope.
const (
	Any     Scope = "any"
	Outside Scope = "outside" // from other machines
	Inside  Scope = "inside"  // from this machine itself
)

// Outcome is what the firewall does with some of the new connections to a port. Of
// several the narrower ones come first: the last is about the rest.
type Outcome struct {
	Verdict   Verdict  `json:"verdict"`
	Scope     Scope    `json:"scope"`
	Family    string   `json:"family,omitempty"`      // "ipv4" or "ipv6"; "" is both
	Sources   []string `json:"sources,omitempty"`     // networks from which they come, if not any; some of them
	More      int      `json:"more_sources,omitzero"` // networks beyond those listed
	Devices   []string `json:"devices,omitempty"`     // by which they arrive, if not any
	Addresses []string `json:"addresses,omitempty"`   // own addresses to which they go, if not all
	RouteBack bool     `json:"route_back,omitempty"`  // those from where there is no route back are dropped
	By        string   `json:"by,omitempty"`          // Rule in words; "" if no rule decides
	Policy    bool     `json:"policy,omitempty"`      // it is the policy of a chain
	Unknown   []string `json:"unknown,omitempty"`     // Doubts in words

	Rule   ruleset.Rule    `json:"-"`
	Doubts []ruleset.Doubt `json:"-"` // of NotKnown: on what it depends

	spans []ruleset.Span // Sources
}

// Bounds of what is kept of an outcome.
const (
	maxOutcomes = 8
	maxSources  = 16
	maxDoubts   = 3
)

// Obstacles is what else may drop packets, of which it is not known whether it does.
type Obstacles struct {
	Legacy   []string // tables of legacy iptables, with their family: "ip filter"
	Programs []bpf.Program
}

// Judge finds what becomes of new connections to a port. It is nil where the rules
// were not all read.
func Judge(r ruleset.Result, o Obstacles, p probe.Port) []Outcome {
	if r.Status != ruleset.Complete && r.Status != ruleset.NoRules || r.LegacyUnread {
		return nil
	}
	if len(r.Fates) == 0 && r.NoChains && len(o.Legacy)+len(o.Programs) == 0 {
		return []Outcome{{Verdict: Accept, Scope: Any}}
	}
	var all [2][2][]Outcome // by family and scope
	for i, v6 := range []bool{false, true} {
		for j, inside := range []bool{false, true} {
			if len(r.Fates) == 0 && r.NoChains {
				packets := ruleset.Packets{IPv6: v6, Inside: inside}
				all[i][j] = o.doubt([]Outcome{outcomeOf(ruleset.Fate{Packets: packets, Verdict: ruleset.Accepted})})
				continue
			}
			var fates []ruleset.Fate
			for _, f := range r.Fates {
				if f.Proto == p.Proto && f.IPv6 == v6 && f.Inside == inside && f.Ports.Has(p.Number) {
					fates = append(fates, f)
				}
			}
			all[i][j] = o.doubt(outcomes(fates))
		}
	}
	return combine(all)
}

// outcomes is what becomes of packets of one family and scope.
func outcomes(fates []ruleset.Fate) []Outcome {
	var certain, unsure []Outcome
	for _, f := range fates {
		o := outcomeOf(f)
		switch {
		case f.Verdict == ruleset.SentAway:
		case len(f.Unsure) > 0 || o.Verdict == NotKnown:
			o.Doubts = f.Unsure
			unsure = append(unsure, o)
		default:
			certain = append(certain, o)
		}
	}
	if alike(slices.Concat(certain, unsure)) && len(unsure) > 0 {
		one := whole(unsure[0]) // whether the conditions hold or not
		one.Doubts = nil
		certain, unsure = append(certain, one), nil
	}
	certain = joined(certain)
	if len(unsure) > 0 {
		certain = append(certain, notKnown(unsure))
	}
	slices.SortStableFunc(certain, func(a, b Outcome) int { return cmp.Compare(a.share(), b.share()) })
	if n := len(certain); n > 0 {
		last := whole(certain[n-1]) // the rest
		certain = append(certain[:min(n-1, maxOutcomes)], last)
	}
	for i := range certain {
		certain[i].nameSources()
	}
	return certain
}

// alike reports whether outcomes have the same verdict, which is known.
func alike(all []Outcome) bool {
	return !slices.ContainsFunc(all, func(o Outcome) bool { return o.Verdict != all[0].Verdict || o.Verdict == NotKnown })
}

// whole is an outcome of all packets.
func whole(o Outcome) Outcome {
	o.spans, o.Devices, o.Addresses = nil, nil, nil
	return o
}

// notKnown is one outcome of packets of which it is not known what becomes of them.
func notKnown(all []Outcome) Outcome {
	out := all[0]
	for _, o := range all[1:] {
		if !samePackets(o, out) {
			out = whole(out)
		}
		out.RouteBack = out.RouteBack || o.RouteBack
	}
	out.Verdict, out.Doubts, out.Policy = NotKnown, nil, false
	for _, o := range all {
		for _, d := range o.Doubts {
			if !slices.Contains(out.Doubts, d) && len(out.Doubts) < maxDoubts {
				out.Doubts = append(out.Doubts, d)
			}
		}
	}
	if out.Rule = (ruleset.Rule{}); len(out.Doubts) > 0 {
		out.Rule = out.Doubts[0].Rule
	}
	return out
}

// joined makes one outcome of those that differ only in one respect.
func joined(all []Outcome) []Outcome {
	var out []Outcome
next:
	for _, o := range all {
		for i := range out {
			if out[i].join(o) {
				continue next
			}
		}
		out = append(out, o)
	}
	if len(out) < len(all) {
		return joined(out)
	}
	return out
}

func (o *Outcome) join(p Outcome) bool {
	if o.Verdict != p.Verdict || o.Rule != p.Rule || o.Policy != p.Policy || o.RouteBack != p.RouteBack {
		return false
	}
	sources := slices.Equal(o.spans, p.spans)
	devices, addrs := slices.Equal(o.Devices, p.Devices), slices.Equal(o.Addresses, p.Addresses)
	switch {
	case sources && devices:
		o.Addresses = ruleset.UnionOfNames(o.Addresses, p.Addresses)
	case sources && addrs:
		o.Devices = ruleset.UnionOfNames(o.Devices, p.Devices)
	case devices && addrs:
		if o.spans != nil && p.spans != nil {
			o.spans = ruleset.Union(o.spans, p.spans)
		} else {
			o.spans = nil
		}
	default:
		return false
	}
	return true
}

func samePackets(a, b Outcome) bool {
	return slices.Equal(a.spans, b.spans) && slices.Equal(a.Devices, b.Devices) && slices.Equal(a.Addresses, b.Addresses)
}

// share is how much of all packets an outcome is about, more or less: it orders
// outcomes.
func (o Outcome) share() float64 {
	share := 1.0
	if o.spans != nil {
		share = 0
		for _, p := range ruleset.Prefixes(o.spans) {
			share += math.Exp2(float64(-p.Bits()))
		}
	}
	for _, list := range [][]string{o.Devices, o.Addresses} {
		if len(list) > 0 {
			share *= 0.5
		}
	}
	return share
}

// nameSources writes the sources as networks.
func (o *Outcome) nameSources() {
	all := ruleset.Prefixes(o.spans)
	o.Sources, o.More = nil, max(len(all)-maxSources, 0)
	for _, p := range all[:min(len(all), maxSources)] {
		if p.IsSingleIP() {
			o.Sources = append(o.Sources, p.Addr().String())
		} else {
			o.Sources = append(o.Sources, p.String())
		}
	}
}

func outcomeOf(f ruleset.Fate) Outcome {
	o := Outcome{
		Rule:      f.Rule,
		Devices:   f.Devices,
		Addresses: f.Addrs,
		RouteBack: f.RouteBack, Policy: f.Policy,
		Scope:  Outside,
		Family: "ipv4",
		spans:  f.Sources,
	}
	if f.Inside {
		o.Scope = Inside
	}
	if f.IPv6 {
		o.Family = "ipv6"
	}
	switch f.Verdict {
	case ruleset.Accepted:
		o.Verdict = Accept
	case ruleset.Dropped:
		o.Verdict = Drop
	case ruleset.Rejected:
		o.Verdict = Reject
	default:
		o.Verdict = NotKnown
	}
	return o
}

// doubt makes what is accepted not known, where something else may drop it.
func (o Obstacles) doubt(all []Outcome) []Outcome {
	for i := range all {
		a := &all[i]
		if a.Verdict != Accept {
			continue
		}
		var doubts []ruleset.Doubt
		for _, t := range o.Legacy {
			if v4 := len(t) > 2 && t[:3] == "ip "; a.Family == "" || (a.Family == "ipv4") == v4 {
				doubts = append(doubts, ruleset.Doubt{Condition: nfexpr.Condition{Kind: nfexpr.LegacyTable, Name: t}})
			}
		}
		for _, p := range o.Programs {
			name := p.Name + " " + string(p.Kind)
			switch p.Kind {
			case bpf.Ingress, bpf.Egress:
				name += " of cgroup " + p.Where
			case bpf.Netfilter:
			case bpf.XDP, bpf.TC:
				if p.Inside != (a.Scope == Inside) {
					continue
				}
				name += " on device " + p.Where
			default:
				continue
			}
			doubts = append(doubts, ruleset.Doubt{Condition: nfexpr.Condition{Kind: nfexpr.Program, Name: name}})
		}
		if len(doubts) > 0 {
			a.Verdict, a.Doubts, a.Rule, a.Policy = NotKnown, doubts[:min(len(doubts), maxDoubts)], ruleset.Rule{}, false
		}
	}
	return all
}

// combine makes one list of those for each family and scope.
func combine(all [2][2][]Outcome) []Outcome {
	var out []Outcome
	for _, scope := range []int{0, 1} {
		v4, v6 := all[0][scope], all[1][scope]
		if equal(v4, v6) {
			v4, v6 = set(v4, func(o *Outcome) { o.Family = "" }), nil
		}
		out = append(out, v4...)
		out = append(out, v6...)
	}
	outside := slices.DeleteFunc(slices.Clone(out), func(o Outcome) bool { return o.Scope != Outside })
	inside := slices.DeleteFunc(slices.Clone(out), func(o Outcome) bool { return o.Scope != Inside })
	if equal(outside, inside) {
		return set(outside, func(o *Outcome) { o.Scope = Any })
	}
	return out
}

func set(all []Outcome, change func(*Outcome)) []Outcome {
	all = slices.Clone(all)
	for i := range all {
		change(&all[i])
	}
	return all
}

// equal reports whether two lists, of two families or two scopes, are about the same.
func equal(a, b []Outcome) bool {
	return len(a) > 0 && slices.EqualFunc(a, b, func(a, b Outcome) bool {
		return a.Verdict == b.Verdict && a.Rule == b.Rule && a.RouteBack == b.RouteBack && samePackets(a, b) &&
			(a.Family == b.Family || a.Scope == b.Scope) && slices.Equal(a.Doubts, b.Doubts)
	})
}
