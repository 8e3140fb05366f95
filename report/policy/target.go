package policy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/report/phrase/coverage"
	"onmux/scan/target"
)

// targets checks the targets and exclusions of a scan rule before anything is sent, so that
// an error has its line. Names are not resolved: the scan does that.
func (r scanRule) targets(ports []probe.Port) error {
	for _, list := range []struct {
		key   string
		texts texts
	}{{"targets", r.Targets}, {"exclude", r.Exclude}} {
		for i, text := range list.texts {
			if _, err := plan([]string{text}, nil, ports, placeholder); err != nil {
				return wrong(r.node, err, list.key, i)
			}
		}
	}
	// What remains after the exclusions is known if no target is a name.
	if _, err := plan(r.Targets, r.Exclude, ports, unresolved); err != nil && !errors.Is(err, errUnresolved) {
		return wrong(r.node, err, "targets")
	}
	return nil
}

// checkException checks one more exception: the scan must include its endpoint, as far as
// that is known without resolving names, and no other exception may be about it.
func (s *Scan) checkException(x Exception) error {
	if slices.ContainsFunc(s.Except, func(o Exception) bool { return o.Addr == x.Addr && o.Port == x.Port }) {
		return fmt.Errorf("two exceptions are for %s", x.Text)
	}
	p, err := plan(s.Targets, s.Exclude, s.Ports, unresolved)
	if err != nil {
		return nil
	}
	ports := p.Ports()
	if x.Port != (probe.Port{}) {
		ports = []probe.Port{x.Port}
	}
	for _, port := range ports {
		if _, asked := p.Index(probe.Endpoint{Addr: x.Addr, Port: port.Number, Proto: port.Proto}); asked {
			return nil
		}
	}
	return fmt.Errorf("%s cannot be an exception: it is not among the targets", x.Text)
}

// checkHost checks that a probe rule names one host.
func (p *Probe) checkHost() error {
	if p.Host == "" {
		return errors.New("the endpoint has no host")
	}
	hosts, err := plan([]string{p.Host}, nil, p.Ports, placeholder)
	if err == nil && hosts.AddrCount() != 1 {
		err = fmt.Errorf("%q is not one host: networks belong under scan", p.Host)
	}
	return err
}

type resolver func(context.Context, string) ([]netip.Addr, error)

func plan(targets, exclude []string, ports []probe.Port, resolve resolver) (*target.Plan, error) {
	p, err := target.NewPlan(context.Background(), target.Config{
		Targets: targets, Exclude: exclude, Ports: ports, Resolve: resolve,
	})
	return p, coverage.PlanError(err)
}

// placeholder resolves every name to an address for documentation (RFC 5737). Nothing is sent there.
func placeholder(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1})}, nil
}

var errUnresolved = errors.New("names are not resolved")

func unresolved(context.Context, string) ([]netip.Addr, error) { return nil, errUnresolved }
