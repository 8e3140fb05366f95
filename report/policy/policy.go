package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/report"
	"onmux/scan"
)

// Policy is what must hold, in the order of the file. Names of rules are
// unique.
type Policy struct{ Rules []Rule }

// Rule is what must hold of one thing: exactly one of Check, Probe and Scan is
// set.
type Rule struct {
	Name   string
	Check  *Check
	Probe  *Probe
	Scan   *Scan
	Expect []report.Expectation

	at    Place
	check checkRule // as in the file
	probe probeRule
	scan  scanRule
}

// Place is where in its file a rule stands.
type Place struct {
	Section string // "check", "probe" or "scan"
	Index   int    // from 0
}

// Check asks about ports of this machine.
type Check struct{ Ports []probe.Port }

// Probe asks about a remote endpoint: every address of the host.
type Probe struct {
	Host  string
	Ports []probe.Port
}

// Scan asks about a network.
type Scan struct {
	Targets, Exclude []string
	Ports            []probe.Port
	Except           []Exception
}

// Exception is an endpoint of a Scan of which something else is expected.
type Exception struct {
	Addr   netip.Addr
	Port   probe.Port // zero: all
	Expect report.Expectation
	Text   string // as in the file
}

// Parse reads a policy; name is the file's, for errors, all of which are an
// *Error with its line and column. Certificates and the like are judged as of
// now.
func Parse(name string, text []byte, now time.Time) (Policy, error) {
	d, f, err := parse(name, text)
	if err != nil {
		return Policy{}, err
	}
	p, err := f.policy(now)
	var wrong fault
	if errors.As(err, &wrong) {
		return Policy{}, d.at(d.node(wrong.path), wrong.err)
	}
	return p, err
}

func (f file) policy(now time.Time) (Policy, error) {
	var p Policy
	for i, c := range f.Check {
		r, err := c.rule()
		if err := p.add(r, Place{"check", i}, err); err != nil {
			return p, err
		}
	}
	for i, c := range f.Probe {
		r, err := c.rule(now)
		if err := p.add(r, Place{"probe", i}, err); err != nil {
			return p, err
		}
	}
	for i, c := range f.Scan {
		r, err := c.rule()
		if err := p.add(r, Place{"scan", i}, err); err != nil {
			return p, err
		}
	}
	if len(p.Rules) == 0 {
		return p, fault{err: errEmpty}
	}
	return p, nil
}

// add takes a rule, unless something is wrong with it.
func (p *Policy) add(r Rule, at Place, err error) error {
	r.at = at
	path := []any{at.Section, at.Index}
	var inner fault
	if errors.As(err, &inner) {
		for _, step := range inner.path {
			path = append(path, step)
		}
		return wrong(fmt.Errorf("%s: %w", where(texts{at.Section, fmt.Sprint(at.Index)}), inner.err), path...)
	}
	if slices.ContainsFunc(p.Rules, func(o Rule) bool { return o.Name == r.Name }) {
		return wrong(fmt.Errorf("two rules are named %q: give one another name", r.Name), append(path, "name")...)
	}
	p.Rules = append(p.Rules, r)
	return nil
}

// Only is the policy without all rules but the named ones.
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
			return out, fmt.Errorf("no rule is named %q%s", n, cmp.Or(report.Nearest(n, all), ruleNames(all)))
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

// Same reports whether two rules ask the same of the same network.
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

func (c checkRule) rule() (Rule, error) {
	r := Rule{Name: cmp.Or(string(c.Name), "check "+string(c.Port)), Check: &Check{}, check: c}
	var err error
	if r.Check.Ports, err = scan.ParsePorts([]string{string(c.Port)}, probe.Protos()); err != nil {
		return r, wrong(err, "port")
	}
	words := c.Expect
	if words == nil {
		words = texts{"listening"}
		if !strings.Contains(string(c.Port), "/") {
			// Hardly anything listens on both; the more common is meant.
			r.Check.Ports = only(r.Check.Ports, probe.TCP)
		}
	}
	e, err := report.ParseExpectation(strings.Join(words, ","), "check")
	if err != nil {
		return r, wrong(err, "expect")
	}
	r.Expect = append(r.Expect, e)
	h := report.Holder{Addr: string(c.Address), Process: string(c.Process), User: string(c.User), Unit: string(c.Unit), MaxBacklog: c.MaxBacklog}
	if h != (report.Holder{}) {
		e, err := report.ExpectHolder(h)
		if err != nil {
			return r, wrong(err, "address")
		}
		r.Expect = append(r.Expect, e)
	}
	return r, nil
}

func only(ports []probe.Port, proto probe.Proto) []probe.Port {
	return slices.DeleteFunc(slices.Clone(ports), func(p probe.Port) bool { return p.Proto != proto })
}

func (c probeRule) rule(now time.Time) (Rule, error) {
	r := Rule{Name: cmp.Or(string(c.Name), "probe "+string(c.Endpoint)), Probe: &Probe{}, probe: c}
	host, spec := probe.SplitHostPort(string(c.Endpoint))
	if spec == "" {
		return r, wrong(fmt.Errorf("%q names no port", c.Endpoint), "endpoint")
	}
	ports, err := scan.ParsePorts([]string{spec}, []probe.Proto{probe.TCP})
	if err != nil {
		return r, wrong(err, "endpoint")
	}
	r.Probe.Host, r.Probe.Ports = host, ports
	if err := r.Probe.host(); err != nil {
		return r, wrong(err, "endpoint")
	}
	words := c.Expect
	if words == nil {
		words = texts{"open"}
	}
	e, err := report.ParseExpectation(strings.Join(words, ","), "probe")
	if err != nil {
		return r, wrong(err, "expect")
	}
	r.Expect = append(r.Expect, e)
	s := report.Speaker{Service: string(c.Service), Product: string(c.Product), Version: string(c.Version), Certificate: time.Duration(c.CertificateDays) * 24 * time.Hour}
	if c.MaxRTT != "" {
		if s.MaxRTT, err = time.ParseDuration(string(c.MaxRTT)); err != nil || s.MaxRTT <= 0 {
			return r, wrong(fmt.Errorf("%q is no time: write 50ms or 1.5s", c.MaxRTT), "max-rtt")
		}
	}
	if s != (report.Speaker{}) {
		r.Expect = append(r.Expect, report.ExpectSpeaker(s, now))
	}
	return r, nil
}

// needsService reports whether the rule can be judged only if the service is identified.
func (r Rule) needsService() bool {
	return slices.ContainsFunc(r.Expect, report.Expectation.NeedsService)
}

func (c scanRule) rule() (Rule, error) {
	r := Rule{Name: cmp.Or(string(c.Name), "scan "+strings.Join(c.Targets, ",")), Scan: &Scan{Targets: c.Targets, Exclude: c.Exclude}, scan: c}
	var err error
	if r.Scan.Ports, err = scan.ParsePorts([]string{cmp.Or(string(c.Port), "417")}, probe.Protos()); err != nil {
		return r, wrong(err, "port")
	}
	if err := r.Scan.targets(); err != nil {
		return r, err
	}
	if c.Expect != nil {
		e, err := report.ParseExpectation(strings.Join(c.Expect, ","), "scan")
		if err != nil {
			return r, wrong(err, "expect")
		}
		r.Expect = append(r.Expect, e)
	}
	for i, text := range c.Count {
		e, err := report.ParseExpectation(text, "scan")
		if err == nil && !strings.ContainsAny(text, "=<>") {
			err = fmt.Errorf("%q is no count: write open=0, open>=1 or open<3", text)
		}
		if err != nil {
			return r, wrong(err, "count", i)
		}
		r.Expect = append(r.Expect, e)
	}
	for i, x := range c.Except {
		e, key, err := x.parse()
		if err == nil {
			key, err = "endpoint", r.Scan.takes(e)
		}
		if err != nil {
			return r, wrong(err, "except", i, key)
		}
		r.Scan.Except = append(r.Scan.Except, e)
	}
	return r, nil
}

// parse reads an exception, or tells the key at fault.
func (x exception) parse() (e Exception, key string, err error) {
	host, spec := probe.SplitHostPort(string(x.Endpoint))
	e.Text = string(x.Endpoint)
	if e.Addr, err = netip.ParseAddr(host); err != nil {
		return e, "endpoint", fmt.Errorf("%q is no address", host)
	}
	e.Addr = e.Addr.Unmap() // as endpoints are told
	if spec != "" {
		ports, err := scan.ParsePorts([]string{spec}, []probe.Proto{probe.TCP})
		if err != nil {
			return e, "endpoint", err
		}
		if len(ports) != 1 {
			return e, "endpoint", fmt.Errorf("%q is more than one port", spec)
		}
		e.Port = ports[0]
	}
	e.Expect, err = report.ParseExpectation(strings.Join(x.Expect, ","), "scan")
	return e, "expect", err
}
