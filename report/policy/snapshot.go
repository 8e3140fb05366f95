package policy

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/expect"
	"onmux/report/record"
)

// maxOpen bounds the open endpoints of a network that a snapshot names; more
// are counted.
const maxOpen = 100

// snapshot is the policy that describes what is found.
type snapshot struct{ file file }

func newSnapshot() *snapshot { return &snapshot{file{Version: 1}} }

// listeners adds a rule for each port on which something listens.
func (s *snapshot) listeners(seen local.Report) {
	for _, v := range seen.Verdicts {
		if v.Verdict != local.Listening {
			continue
		}
		p := probe.Port{Number: v.Port, Proto: v.Proto}
		r := checkRule{Name: ruleName(p.String()), Port: portSpec(p.String()), Expect: verdicts{string(local.Listening)}}
		var addresses, processes, users []string
		for _, l := range seen.Listeners {
			if l.State != local.Listening || l.Port != v.Port || l.Proto != v.Proto || l.NetNS != "host" {
				continue
			}
			addresses = append(addresses, place(l))
			names := []string{""}
			owners := []string{""}
			if len(l.Owners) > 0 {
				names, owners = nil, nil
			}
			for _, o := range l.Owners {
				names, owners = append(names, o.Name), append(owners, o.User)
			}
			processes, users = append(processes, names...), append(users, owners...)
		}
		r.Address, r.Process = text(common(addresses)), text(common(processes))
		r.User = textOrInteger(common(users))
		s.file.Check = append(s.file.Check, r)
	}
}

// place is what the address flag of a rule says of a socket.
func place(l local.Listener) string {
	if l.Reach == "any" || l.Reach == "loopback" {
		return l.Reach
	}
	return l.Address.String()
}

// common is what all of them say, or nothing.
func common(all []string) string {
	all = slices.Compact(slices.Sorted(slices.Values(all)))
	if len(all) != 1 {
		return ""
	}
	return all[0]
}

// rule adds a rule with what was found in place of what it expected, as of now.
func (s *snapshot) rule(r Rule, e *evaluation, now time.Time) {
	found := words(r.section, e.counts)
	switch {
	case r.Check != nil:
		c := r.check
		c.Name, c.Expect = ruleName(r.Name), found
		e.observed.check(&c)
		s.file.Check = append(s.file.Check, c)
	case r.Probe != nil:
		c := r.probe
		c.Name, c.Expect = ruleName(r.Name), found
		e.observed.probe(&c, now)
		s.file.Probe = append(s.file.Probe, c)
	case r.Scan != nil:
		s.file.Scan = append(s.file.Scan, r.scan.found(r.Name, e, found))
	}
}

func (c scanRule) found(name string, e *evaluation, found []string) scanRule {
	c.Name, c.Expect, c.Count, c.Except = ruleName(name), found, nil, nil
	if len(e.open) > maxOpen || len(found) == 1 {
		if n := e.counts[probe.Open.String()]; n > 0 {
			c.Count = texts{expect.Count(probe.Open.String(), n)}
		}
		return c
	}
	c.Expect = slices.DeleteFunc(slices.Clone(found), func(w string) bool { return w == probe.Open.String() })
	slices.SortFunc(e.open, func(a, b probe.Endpoint) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
	for _, e := range e.open {
		c.Except = append(c.Except, exception{text(netip.AddrPortFrom(e.Addr, e.Port).String() + "/" + e.Proto.String()), states{probe.Open.String()}})
	}
	return c
}

// words are what was found, in the order of reports.
func words(section string, counts map[string]uint64) []string {
	var out []string
	for _, w := range record.Words(section) {
		if counts[w] > 0 {
			out = append(out, w)
		}
	}
	return out
}

// yaml is the policy as a file, with a head that says what it is.
func (s *snapshot) yaml() ([]byte, error) {
	b, err := yaml.MarshalWithOptions(s.file, yaml.IndentSequence(true))
	if err != nil {
		return nil, err
	}
	return append([]byte("# The state when this file was written. Check that it still holds:\n#   onmux verify FILE\n"), strings.TrimSuffix(string(b), "\n")+"\n"...), nil
}
