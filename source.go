package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"onmux/probe"
	"onmux/report/job"
)

// readLocal reads from where is probed, beside flags that do not go with it. The family of
// the address is the only one that is probed.
func (s *subjects) readLocal(c *cli.Context, device string, apart ...string) (probe.Local, error) {
	if c.IsSet("source-port") && c.Uint("source-port") == 0 {
		return probe.Local{}, usageError(errors.New("--source-port 0 is out of range"), "1 to 65535")
	}
	l, err := job.ParseLocal(c.String("source"), c.Uint("source-port"), device)
	if err != nil || l == (probe.Local{}) {
		return l, failure(err)
	}
	for _, name := range apart {
		if c.IsSet(name) {
			return l, usageError(fmt.Errorf("--%s cannot be combined with --source, --source-port and --interface", name),
				"leave one of them out")
		}
	}
	if !l.Addr.IsValid() {
		return l, nil
	}
	if s.ipv4, s.ipv6 = s.ipv4 && l.Addr.Is4(), s.ipv6 && l.Addr.Is6(); !s.ipv4 && !s.ipv6 {
		return l, usageError(fmt.Errorf("--source %s is not of the family of -4 or -6", l.Addr), "leave one of them out")
	}
	return l, nil
}
