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
func (s *snapshot) listeners(found local.Report) {
	for _, v := range found.Verdicts {
		if v.Verdict != local.Listening {
			continue
		}
		var o observed
		for _, l := range found.Listeners {
			if l.Port == v.Port && l.Proto == v.Proto {
				o.listener(l)
			}
		}
		p := probe.Port{Number: v.Port, Proto: v.Proto}.String()
		s.file.Check = append(s.file.Check, checkRule{
			Name: ruleName(p), Port: portSpec(p), Expect: verdicts{string(local.Listening)},
			Address: text(common(o.addresses)), Process: text(common(o.processes)),
			User: textOrInteger(common(o.users)),
		})
	}
}

// rule adds a rule that expects what was found. Certificates are judged as of now.
func (s *snapshot) rule(r Rule, e *evaluation, now time.Time) {
	words := foundWords(r.section, e.counts)
	switch {
	case r.Check != nil:
		c := r.check
		c.Name, c.Expect = ruleName(r.Name), words
		e.observed.check(&c)
		s.file.Check = append(s.file.Check, c)
	case r.Probe != nil:
		c := r.probe
		c.Name, c.Expect = ruleName(r.Name), words
		e.observed.probe(&c, now)
		s.file.Probe = append(s.file.Probe, c)
	case r.Scan != nil:
		c := r.scan
		c.Name = ruleName(r.Name)
		c.expect(words, e)
		s.file.Scan = append(s.file.Scan, c)
	}
}

// expect replaces what c expects by the states that were found. Open endpoints among others
// become exceptions.
func (c *scanRule) expect(found []string, e *evaluation) {
	open := probe.Open.String()
	c.Expect, c.Count, c.Except = found, nil, nil
	if len(e.open) > maxOpen || len(found) == 1 {
		if n := e.counts[open]; n > 0 {
			c.Count = texts{expect.Count(open, n)}
		}
		return
	}
	c.Expect = slices.DeleteFunc(slices.Clone(found), func(w string) bool { return w == open })
	slices.SortFunc(e.open, func(a, b probe.Endpoint) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
	for _, o := range e.open {
		endpoint := netip.AddrPortFrom(o.Addr, o.Port).String() + "/" + o.Proto.String()
		c.Except = append(c.Except, exception{text(endpoint), states{open}})
	}
}

// foundWords are the states or verdicts that were found, in the order of reports.
func foundWords(section string, counts map[string]uint64) []string {
	return slices.DeleteFunc(slices.Clone(record.Words(section)), func(w string) bool { return counts[w] == 0 })
}

const snapshotHead = `# The state when this file was written. Check that it still holds:
#   onmux verify FILE
# Editors know the keys with: onmux schema policy > onmux-policy.json
# yaml-language-server: $schema=onmux-policy.json
`

// yaml is the policy as a file.
func (s *snapshot) yaml() ([]byte, error) {
	b, err := yaml.MarshalWithOptions(s.file, yaml.IndentSequence(true))
	if err != nil {
		return nil, err
	}
	return []byte(snapshotHead + strings.TrimSuffix(string(b), "\n") + "\n"), nil
}
