package policy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/scan/target"
)

// targets checks the targets and exclusions of a scan rule, so that an error has its line,
// and before anything is sent. Names are not looked up: whether they exist is found out by the
// scan.
func (r scanRule) targets(ports []probe.Port) error {
	for _, list := range []struct {
		key   string
		texts texts
	}{{"targets", r.Targets}, {"exclude", r.Exclude}} {
		for i, text := range list.texts {
			if _, err := plan([]string{text}, nil, ports, nowhere); err != nil {
				return wrong(r.node, err, list.key, i)
			}
		}
	}
	// What is left of them is known if none is a name.
	if _, err := plan(r.Targets, r.Exclude, ports, unresolved); err != nil && !errors.Is(err, errUnresolved) {
		return wrong(r.node, err, "targets")
	}
	return nil
}

// takes reports what is wrong with one more exception: the scan does not ask about it,
// as far as that can be known without looking names up, or there is such a one already.
func (s *Scan) takes(x Exception) error {
	if slices.ContainsFunc(s.Except, func(o Exception) bool { return o.Addr == x.Addr && o.Port == x.Port }) {
		return fmt.Errorf("two exceptions are about %s", x.Text)
	}
	p, err := plan(s.Targets, s.Exclude, s.Ports, unresolved)
	if err != nil {
		return nil
	}
	ports := s.Ports
	if x.Port != (probe.Port{}) {
		ports = []probe.Port{x.Port}
	}
	for _, port := range ports {
		if _, asked := p.Index(probe.Endpoint{Addr: x.Addr, Port: port.Number, Proto: port.Proto}); asked {
			return nil
		}
	}
	return fmt.Errorf("%s is no exception: the rule does not ask about it", x.Text)
}

// host holds what a probe rule names against what is one host.
func (p *Probe) host() error {
	if p.Host == "" {
		return errors.New("the endpoint names no host")
	}
	hosts, err := plan([]string{p.Host}, nil, p.Ports, nowhere)
	if err == nil && hosts.AddrCount() != 1 {
		err = fmt.Errorf("%q is not one host: ask about networks under scan", p.Host)
	}
	return err
}

type resolver func(context.Context, string) ([]netip.Addr, error)

func plan(targets, exclude []string, ports []probe.Port, resolve resolver) (*target.Plan, error) {
	return target.NewPlan(context.Background(), target.Config{Targets: targets, Exclude: exclude, Ports: ports, Resolve: resolve})
}

// nowhere stands for whatever a name may resolve to (RFC 5737). Nothing is sent there.
func nowhere(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1})}, nil
}

var errUnresolved = errors.New("names are not looked up")

func unresolved(context.Context, string) ([]netip.Addr, error) { return nil, errUnresolved }
