package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/hostport"
	"onmux/probe/local"
	"onmux/probe/ports"
	"onmux/report/expect"
)

func (c checkRule) rule() (Rule, error) {
	r := Rule{Name: cmp.Or(string(c.Name), "check "+string(c.Port)), Check: &Check{}, section: "check", check: c}
	var err error
	if r.Check.Ports, err = ports.Parse([]string{string(c.Port)}, probe.Protos()); err != nil {
		return r, wrong(c.node, err, "port")
	}
	words := c.Expect
	if words == nil {
		words = verdicts{string(local.Listening)}
		if !strings.Contains(string(c.Port), "/") {
			// Hardly anything listens on both; TCP is more common.
			r.Check.Ports = only(r.Check.Ports, probe.TCP)
		}
	}
	e, err := expect.Parse(strings.Join(words, ","), r.section)
	if err != nil {
		return r, wrong(c.node, err, "expect")
	}
	r.Expect = append(r.Expect, e)
	h := expect.Holder{
		Addr: string(c.Address), Process: string(c.Process), User: string(c.User), Unit: string(c.Unit),
		MaxBacklog: (*uint32)(c.MaxBacklog),
	}
	if h != (expect.Holder{}) {
		e, err := expect.OfHolder(h)
		if err != nil {
			return r, wrong(c.node, err, "address")
		}
		r.Expect = append(r.Expect, e)
	}
	return r, nil
}

func only(ports []probe.Port, proto probe.Proto) []probe.Port {
	return slices.DeleteFunc(slices.Clone(ports), func(p probe.Port) bool { return p.Proto != proto })
}

func (c probeRule) rule(now time.Time) (Rule, error) {
	r := Rule{Name: cmp.Or(string(c.Name), "probe "+string(c.Endpoint)), Probe: &Probe{}, section: "probe", probe: c}
	host, spec, err := hostport.Split(string(c.Endpoint))
	if err != nil {
		return r, wrong(c.node, err, "endpoint")
	}
	if spec == "" {
		return r, wrong(c.node, fmt.Errorf("%q has no port", c.Endpoint), "endpoint")
	}
	ports, err := ports.Parse([]string{spec}, []probe.Proto{probe.TCP})
	if err != nil {
		return r, wrong(c.node, err, "endpoint")
	}
	r.Probe.Host, r.Probe.Ports = host, ports
	if err := r.Probe.checkHost(); err != nil {
		return r, wrong(c.node, err, "endpoint")
	}
	words := c.Expect
	if words == nil {
		words = states{probe.Open.String()}
	}
	e, err := expect.Parse(strings.Join(words, ","), r.section)
	if err != nil {
		return r, wrong(c.node, err, "expect")
	}
	r.Expect = append(r.Expect, e)
	s := expect.Endpoint{
		Service: string(c.Service), Product: string(c.Product), Version: string(c.Version),
		Certificate: time.Duration(c.CertificateDays) * 24 * time.Hour,
	}
	if c.MaxRTT != "" {
		if s.MaxRTT, err = time.ParseDuration(string(c.MaxRTT)); err != nil || s.MaxRTT <= 0 {
			why := fmt.Errorf("%q is not a duration: write 50ms or 1.5s", c.MaxRTT)
			if _, err := strconv.ParseFloat(string(c.MaxRTT), 64); err == nil {
				why = fmt.Errorf("%q has no unit: write %sms or %ss", c.MaxRTT, c.MaxRTT, c.MaxRTT)
			}
			return r, wrong(c.node, why, "max-rtt")
		}
	}
	if s != (expect.Endpoint{}) {
		r.Expect = append(r.Expect, expect.OfEndpoint(s, now))
	}
	return r, nil
}

// needsService reports whether the rule can be judged only if the service is identified.
func (r Rule) needsService() bool {
	return slices.ContainsFunc(r.Expect, expect.Expectation.NeedsService)
}

func (c scanRule) rule() (Rule, error) {
	r := Rule{
		Name: cmp.Or(string(c.Name), "scan "+strings.Join(c.Targets, ",")),
		Scan: &Scan{Targets: c.Targets, Exclude: c.Exclude}, section: "scan", scan: c,
	}
	var err error
	if r.Scan.Ports, err = ports.Parse([]string{cmp.Or(string(c.Port), "417")}, probe.Protos()); err != nil {
		return r, wrong(c.node, err, "port")
	}
	if err := c.targets(r.Scan.Ports); err != nil {
		return r, err
	}
	if c.Expect != nil {
		e, err := expect.Parse(strings.Join(c.Expect, ","), "scan")
		if err != nil {
			return r, wrong(c.node, err, "expect")
		}
		r.Expect = append(r.Expect, e)
	}
	for i, text := range c.Count {
		e, err := expect.Parse(text, "scan")
		if err == nil && !strings.ContainsAny(text, "=<>") {
			err = fmt.Errorf("%q is not a count: write open=0, open>=1 or open<3", text)
		}
		if err != nil {
			return r, wrong(c.node, err, "count", i)
		}
		r.Expect = append(r.Expect, e)
	}
	for i, x := range c.Except {
		e, key, err := x.parse()
		if err == nil {
			key, err = "endpoint", r.Scan.checkException(e)
		}
		if err != nil {
			return r, wrong(c.node, err, "except", i, key)
		}
		r.Scan.Except = append(r.Scan.Except, e)
	}
	return r, nil
}

// parse reads an exception; with an error, key is the one that is wrong.
func (x exception) parse() (e Exception, key string, err error) {
	e.Text = string(x.Endpoint)
	host, spec, err := hostport.Split(e.Text)
	if err != nil {
		return e, "endpoint", err
	}
	if e.Addr, err = netip.ParseAddr(host); err != nil {
		return e, "endpoint", fmt.Errorf("%q is not an address", host)
	}
	e.Addr = e.Addr.Unmap() // as results have it
	if spec != "" {
		ports, err := ports.Parse([]string{spec}, []probe.Proto{probe.TCP})
		if err != nil {
			return e, "endpoint", err
		}
		if len(ports) != 1 {
			return e, "endpoint", fmt.Errorf("%q is more than one port", spec)
		}
		e.Port = ports[0]
	}
	e.Expect, err = expect.Parse(strings.Join(x.Expect, ","), "scan")
	return e, "expect", err
}
