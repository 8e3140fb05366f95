package policy

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/expect"
	"onmux/scan/files"
)

// Policy is what must hold, in the order of the file. Names of rules are
// unique.
type Policy struct{ Rules []Rule }

// Rule is what must hold for one thing: exactly one of Check, Probe and Scan is
// set.
type Rule struct {
	Name   string
	Check  *Check
	Probe  *Probe
	Scan   *Scan
	Expect []expect.Expectation

	file    string    // "" if it was read from standard input
	line    int       // where it begins, from 1
	section string    // of the file: "check", "probe" or "scan"
	check   checkRule // as in the file
	probe   probeRule
	scan    scanRule
}

// Check names ports of this machine.
type Check struct{ Ports []probe.Port }

// Probe names a remote endpoint: every address of the host.
type Probe struct {
	Host  string
	Ports []probe.Port
}

// Scan names a network.
type Scan struct {
	Targets, Exclude []string
	Ports            []probe.Port
	Except           []Exception
}

// Exception is an endpoint of a Scan for which something else is expected.
type Exception struct {
	Addr   netip.Addr
	Port   probe.Port // zero: all
	Expect expect.Expectation
	Text   string // as in the file
}

// Read reads the policy in a file.
func Read(in *files.Inputs, name string, now time.Time) (Policy, error) {
	f, err := in.Open(name)
	if err != nil {
		return Policy{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1)) // more than MaxFile is an error of Parse
	if err != nil {
		return Policy{}, err
	}
	p, err := Parse(files.Title(name), text, now)
	for i := range p.Rules {
		if name != "-" {
			p.Rules[i].file = filepath.ToSlash(name)
		}
	}
	return p, err
}

// Parse reads a policy; name is the file's, for errors, which are an *Error with
// the position unless the file is too large. Certificates are judged as of now.
func Parse(name string, text []byte, now time.Time) (Policy, error) {
	f, err := decode(name, text)
	var p Policy
	if err == nil {
		p, err = f.policy(now)
	}
	var at nodeError
	if errors.As(err, &at) {
		err = at.in(name)
	}
	return p, err
}

func (f file) policy(now time.Time) (Policy, error) {
	var p Policy
	for _, c := range f.Check {
		r, err := c.rule()
		if err := p.add(r, c.node, err); err != nil {
			return p, err
		}
	}
	for _, c := range f.Probe {
		r, err := c.rule(now)
		if err := p.add(r, c.node, err); err != nil {
			return p, err
		}
	}
	for _, c := range f.Scan {
		r, err := c.rule()
		if err := p.add(r, c.node, err); err != nil {
			return p, err
		}
	}
	if len(p.Rules) == 0 {
		return p, nodeError{f.node, errEmpty}
	}
	return p, nil
}

// add adds a rule, unless something is wrong with it.
func (p *Policy) add(r Rule, n ast.Node, err error) error {
	if err != nil {
		return err
	}
	if slices.ContainsFunc(p.Rules, func(o Rule) bool { return o.Name == r.Name }) {
		return nodeError{child(n, "name"), fmt.Errorf("two rules are named %q: rename one", r.Name)}
	}
	r.line, _ = position(n)
	p.Rules = append(p.Rules, r)
	return nil
}

// Only is the policy with the named rules only.
func (p Policy) Only(names []string) (Policy, error) {
	var out Policy
	var all []string
	for _, r := range p.Rules {
		all = append(all, r.Name)
		if slices.Contains(names, r.Name) {
			out.Rules = append(out.Rules, r)
		}
	}
	for _, n := range names {
		if !slices.Contains(all, n) {
			return out, fmt.Errorf("no rule is named %q%s", n, cmp.Or(wording.DidYouMean(n, all), ruleNames(all)))
		}
	}
	return out, nil
}

// ruleNames are the names, if they are few.
func ruleNames(all []string) string {
	if len(all) > 12 {
		return ""
	}
	return ": the rules are " + strings.Join(all, ", ")
}

// Same reports whether one scan serves both rules.
func (s *Scan) Same(o *Scan) bool {
	return slices.Equal(s.Targets, o.Targets) && slices.Equal(s.Exclude, o.Exclude) && slices.Equal(s.Ports, o.Ports)
}

// withoutExceptions is the policy without the exceptions of its scans.
func (p Policy) withoutExceptions() Policy {
	out := Policy{slices.Clone(p.Rules)}
	for i, r := range out.Rules {
		if r.Scan != nil {
			s := *r.Scan
			s.Except = nil
			out.Rules[i].Scan = &s
		}
	}
	return out
}
