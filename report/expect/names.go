package expect

import (
	"cmp"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/record"
)

// Names is how the addresses of a name count.
type Names struct {
	// Any: one address that is as expected suffices for a name and port. Violations come at
	// the end then.
	Any bool

	// Usable reports whether this machine can use the family of an address at all. An address
	// of a name that it cannot use does not count beside others. nil: all can be used.
	Usable func(netip.Addr) bool
}

// named is a name on a port, asked from a zone.
type named struct {
	host string
	port probe.Port
	zone string
}

// verdicts is what became of the addresses of a name.
type verdicts struct {
	holds      bool // one is as expected
	counted    bool // one was judged
	violations []record.Violation
	doubt      string
}

// nameJudge judges addresses by their names. Not for concurrent use.
type nameJudge struct {
	Names
	all   map[named]*verdicts
	order []named
}

// of returns what is known of each name that leads to an endpoint.
func (n *nameJudge) of(r probe.Result) (all []*verdicts) {
	for _, host := range r.Names() {
		key := named{host, probe.Port{Number: r.Port, Proto: r.Proto}, r.Zone}
		v := n.all[key]
		if v == nil {
			if n.all == nil {
				n.all = make(map[named]*verdicts)
			}
			v = new(verdicts)
			n.all[key] = v
			n.order = append(n.order, key)
		}
		all = append(all, v)
	}
	return all
}

// skips reports whether an address does not count because this machine cannot use it.
func (n *nameJudge) skips(r probe.Result) bool {
	return n.Usable != nil && r.Host != "" && r.Addr.IsValid() && r.State == probe.Unknown && !n.Usable(r.Addr)
}

// named judges an endpoint that has a name; false if it is to be judged by itself.
func (j *Judge) named(r probe.Result, judge func() []record.Violation) (found []record.Violation, ok bool) {
	if r.Host == "" || !j.names.Any && j.names.Usable == nil {
		return nil, false
	}
	all := j.names.of(r)
	if j.names.skips(r) {
		s, _ := record.About(r)
		for _, v := range all {
			v.doubt = cmp.Or(v.doubt, phrase.Unmeasured(s))
		}
		return nil, true
	}
	for _, v := range all {
		v.counted = true
	}
	if !j.names.Any {
		return judge(), true
	}
	before := j.doubt
	j.doubt = ""
	found = judge()
	doubt := j.doubt
	j.doubt = before
	for _, v := range all {
		v.holds = v.holds || len(found) == 0 && doubt == ""
		v.violations, v.doubt = append(v.violations, found...), cmp.Or(v.doubt, doubt)
	}
	return nil, true
}

// endNames returns the violations of the names of which no address is as expected.
func (j *Judge) endNames() (out []record.Violation) {
	for _, key := range j.names.order {
		v := j.names.all[key]
		switch {
		case v.holds || v.counted && !j.names.Any:
		case len(v.violations) == 0:
			j.doubts(v.doubt)
		default:
			for _, violation := range v.violations {
				if !slices.ContainsFunc(out, func(o record.Violation) bool {
					return o.What == violation.What && o.Expected == violation.Expected
				}) {
					out = append(out, violation)
				}
			}
		}
	}
	return out
}
