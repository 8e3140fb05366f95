package nat

import (
	"cmp"
	"maps"
	"slices"

	"onmux/probe"
	"onmux/probe/local/nfexpr"
	"onmux/probe/local/owner"
	"onmux/probe/local/ruleset"
)

// Result is what the rules do to some ports. The zero value means that they were not
// looked at.
type Result struct {
	Redirects map[probe.Port][]Redirect
	Unknown   map[probe.Port][]ruleset.Rule // rules that cover the port and whose target was not understood
	Selected  map[probe.Port]struct{}       // ports of Redirects that a rule selects out of all
	Wide      []ruleset.Rule                // the other rules of Redirects, each of more than MaxSelected ports
}

// MaxSelected is how many ports a rule can select: one of more, as that of a proxy
// that takes everything, does not characterize any of them.
const MaxSelected = 1024

// Redirect is a rule that sends on what comes for a port.
type Redirect struct {
	Target     ruleset.Target     `json:"-"`
	Rule       ruleset.Rule       `json:"-"`
	Conditions []nfexpr.Condition `json:"-"` // what else it depends on

	Service string  `json:"-"` // of IPVS: the address and port of the virtual service
	Program Program `json:"-"` // of sk_lookup

	Means     Means         `json:"means,omitempty"`
	To        string        `json:"to"` // Target in words: "port 8417" of this machine, or "10.0.0.2:80"
	By        string        `json:"by"` // Rule in words: "an nftables rule (table ip nat, chain pre)"
	Scope     Scope         `json:"scope"`
	Family    string        `json:"family,omitempty"`    // "ipv4" or "ipv6"; "" is both
	Addresses []string      `json:"addresses,omitempty"` // the own addresses that it covers, if not all
	Behind    *owner.Behind `json:"behind,omitempty"`    // who listens where it sends packets to
	If        []string      `json:"if,omitempty"`        // Conditions in words, such as "the source address"
}

// Scope is which packets a redirect is for.
type Scope string

// Every Scope.
const (
	Any     Scope = "any"
	Outside Scope = "outside" // what arrives
	Inside  Scope = "inside"  // what this machine itself sends
)

// Means is how packets are sent on: "" is NAT.
type Means string

// Every Means.
const (
	NAT       = Means(ruleset.ByNAT)
	TPROXY    = Means(ruleset.ByTPROXY)
	Rewriting = Means(ruleset.ByRewriting)
	IPVS      = Means("ipvs")      // the kernel's load balancer
	SKLookup  = Means("sk_lookup") // a BPF program chooses the socket
)

// Program is a BPF program.
type Program struct {
	ID   uint32
	Name string
}

// maxRedirects bounds how many redirects, and rules that were not understood, of one
// port are kept.
const maxRedirects = 32

// Collect finds what rules do to some ports, which are sorted.
func Collect(all []ruleset.Translation, ports map[probe.Proto][]uint16) Result {
	c := &collector{
		Result: Result{
			Redirects: make(map[probe.Port][]Redirect),
			Unknown:   make(map[probe.Port][]ruleset.Rule),
			Selected:  make(map[probe.Port]struct{}),
		},
		wide: make(map[ruleset.Rule]struct{}),
	}
	for _, t := range all {
		c.add(t, ports[t.Proto])
	}
	c.Wide = slices.SortedFunc(maps.Keys(c.wide), compareRules)
	return c.Result
}

// collector makes a Result of translations.
type collector struct {
	Result
	wide map[ruleset.Rule]struct{}
}

// add notes what a rule does to those ports that were asked for, which are sorted.
func (c *collector) add(t ruleset.Translation, asked []uint16) {
	r := Redirect{
		Target: t.Target, Rule: t.Rule, Conditions: t.Conditions, Means: Means(t.Means),
		Scope: Outside, Family: "ipv4", Addresses: t.Addrs,
	}
	if t.Inside {
		r.Scope = Inside
	}
	if t.IPv6 {
		r.Family = "ipv6"
	}
	wide := !t.Unknown && t.Ports.Size() > MaxSelected
	if wide {
		c.wide[t.Rule] = struct{}{}
	}
	for _, ports := range t.Ports {
		from, _ := slices.BinarySearch(asked, ports.First)
		for _, number := range asked[from:] {
			if number > ports.Last {
				break
			}
			p := probe.Port{Number: number, Proto: t.Proto}
			switch unknown := c.Unknown[p]; {
			case !t.Unknown:
				c.redirect(p, r, t.OwnAddrs)
				if !wide {
					c.Selected[p] = struct{}{}
				}
			case !slices.Contains(unknown, t.Rule) && len(unknown) < maxRedirects:
				c.Unknown[p] = append(unknown, t.Rule)
			}
		}
	}
}

// redirect adds a redirect to those of a port.
func (c *collector) redirect(p probe.Port, r Redirect, own int) {
	c.Redirects[p] = Join(c.Redirects[p], r, own)
}

// Join adds a redirect to others of a port. One that differs only in scope, family or
// addresses, of which there are a number in all, joins its like, which may make that
// one like another.
func Join(all []Redirect, r Redirect, own int) []Redirect {
	for i := 0; i < len(all); {
		if r.join(all[i], own) {
			all, i = slices.Delete(all, i, i+1), 0
			continue
		}
		i++
	}
	if len(all) < maxRedirects {
		all = append(all, r)
	}
	return all
}

// join makes o part of r if the two are one redirect in two scopes or two families.
func (r *Redirect) join(o Redirect, own int) bool {
	if r.Target != o.Target || r.Rule != o.Rule || r.Means != o.Means || r.Service != o.Service ||
		r.Program != o.Program ||
		!slices.Equal(r.Conditions, o.Conditions) {
		return false
	}
	if !slices.Equal(r.Addresses, o.Addresses) {
		if r.Family != o.Family || r.Scope != o.Scope {
			return false
		}
		if r.Addresses = ruleset.UnionOfNames(r.Addresses, o.Addresses); len(r.Addresses) == own {
			r.Addresses = nil
		}
		return true
	}
	switch sameFamily, sameScope := r.Family == o.Family, r.Scope == o.Scope; {
	case sameFamily && sameScope:
	case sameFamily:
		r.Scope = Any
	case sameScope && len(r.Addresses) == 0:
		r.Family = ""
	default:
		return false
	}
	return true
}

func compareRules(a, b ruleset.Rule) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Chain, b.Chain), cmp.Compare(a.Maker, b.Maker))
}
