package nat

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/netlink"
)

// maxRedirects bounds how many redirects, and rules that were not understood, of one
// port are kept.
const maxRedirects = 32

// collector makes a Result of translations.
type collector struct {
	Result
	wide map[Rule]struct{}
}

func newCollector() *collector {
	return &collector{
		Result: Result{
			Redirects: make(map[probe.Port][]Redirect),
			Unknown:   make(map[probe.Port][]Rule),
			Selected:  make(map[probe.Port]struct{}),
		},
		wide: make(map[Rule]struct{}),
	}
}

// protocols is the protocols of a query, in their order.
func protocols(q Query) []probe.Proto {
	return slices.DeleteFunc(probe.Protos(), func(p probe.Proto) bool { return len(q.Ports[p]) == 0 })
}

// add notes what a rule does to those ports that were asked for, which are sorted.
func (c *collector) add(t translation, asked []uint16) {
	r := Redirect{
		Target: t.target, Rule: t.rule, Conditions: t.conditions,
		Scope: Outside, Family: "ipv4", Addresses: t.addrs,
	}
	if t.hook == unix.NF_INET_LOCAL_OUT {
		r.Scope = Inside
	}
	if t.family == unix.NFPROTO_IPV6 {
		r.Family = "ipv6"
	}
	wide := !t.unknown && t.ports.size() > MaxSelected
	if wide {
		c.wide[t.rule] = struct{}{}
	}
	for _, ports := range t.ports {
		from, _ := slices.BinarySearch(asked, ports.First)
		for _, number := range asked[from:] {
			if number > ports.Last {
				break
			}
			p := probe.Port{Number: number, Proto: t.proto}
			switch unknown := c.Unknown[p]; {
			case !t.unknown:
				c.redirect(p, r)
				if !wide {
					c.Selected[p] = struct{}{}
				}
			case !slices.Contains(unknown, t.rule) && len(unknown) < maxRedirects:
				c.Unknown[p] = append(unknown, t.rule)
			}
		}
	}
}

// redirect adds a redirect to those of a port. One that differs only in scope or
// family joins its like, which may make that one like another.
func (c *collector) redirect(p probe.Port, r Redirect) {
	all := c.Redirects[p]
	for i := 0; i < len(all); {
		if r.join(all[i]) {
			all, i = slices.Delete(all, i, i+1), 0
			continue
		}
		i++
	}
	if len(all) < maxRedirects {
		all = append(all, r)
	}
	c.Redirects[p] = all
}

// join makes o part of r if the two are one redirect in two scopes or two families.
func (r *Redirect) join(o Redirect) bool {
	if r.Target != o.Target || r.Rule != o.Rule ||
		!slices.Equal(r.Conditions, o.Conditions) || !slices.Equal(r.Addresses, o.Addresses) {
		return false
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

// result is what was collected, and how much of the rules was read.
func (c *collector) result(r *ruleset, err error, legacy bool) Result {
	c.Rules, c.Err, c.OtherRules = r.count, err, legacy
	c.Wide = slices.SortedFunc(maps.Keys(c.wide), compareRules)
	switch opened := new(netlink.OpenError); {
	case errors.As(err, &opened):
		c.Status = NotOpened
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		c.Status = NotPermitted
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP),
		errors.Is(err, unix.EINVAL) && r.count == 0:
		c.Status = Unsupported
	case err != nil:
		c.Status = Failed
	case r.truncated:
		c.Status = Truncated
	case r.count == 0:
		c.Status = NoRules
	default:
		c.Status = Complete
	}
	return c.Result
}

func compareRules(a, b Rule) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Chain, b.Chain), cmp.Compare(a.Maker, b.Maker))
}
