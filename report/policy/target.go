package policy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"onmux/probe"
	"onmux/scan"
)

// targets holds what a scan rule names against what a scan takes, so that a
// wrong one is told with its line and before anything is sent. Names are not
// looked up: that they exist is for the time of the scan.
func (s *Scan) targets() error {
	for _, list := range []struct {
		key   string
		texts []string
	}{{"targets", s.Targets}, {"exclude", s.Exclude}} {
		for i, text := range list.texts {
			if _, err := plan([]string{text}, nil, s.Ports, nowhere); err != nil {
				return wrong(err, list.key, i)
			}
		}
	}
	// What is left of them is known if none is a name.
	if _, err := plan(s.Targets, s.Exclude, s.Ports, unresolved); err != nil && !errors.Is(err, errUnresolved) {
		return wrong(err, "targets")
	}
	return nil
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

func plan(targets, exclude []string, ports []probe.Port, resolve resolver) (*scan.Plan, error) {
	return scan.NewPlan(context.Background(), scan.PlanConfig{Targets: targets, Exclude: exclude, Ports: ports, Resolve: resolve})
}

// nowhere stands for whatever a name may resolve to (RFC 5737). Nothing is sent there.
func nowhere(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1})}, nil
}

var errUnresolved = errors.New("names are not looked up")

func unresolved(context.Context, string) ([]netip.Addr, error) { return nil, errUnresolved }
