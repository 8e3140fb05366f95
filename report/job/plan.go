package job

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"onmux/probe"
	"onmux/probe/inquiry"
	"onmux/probe/wording"
	"onmux/report/phrase/coverage"
	"onmux/scan"
	"onmux/scan/checkpoint"
	"onmux/scan/files"
	"onmux/scan/named"
	"onmux/scan/target"
)

// Targets are what a command line has about the targets of a scan.
type Targets struct {
	Args    []string
	Files   []string // of targets
	Exclude []string // lists of targets, comma-separated
	Inputs  *files.Inputs
	Ports   []probe.Port  // of targets that have none of their own
	Protos  []probe.Proto // of ports of targets with no suffix
	IPv4    bool
	IPv6    bool
	Public  bool // more than target.MaxPublic public addresses may be scanned
	DryRun  bool // nothing is sent, and a name without an address is an error
}

// MakePlan sets the plan.
func (s *Scan) MakePlan(ctx context.Context, t Targets) error {
	if len(t.Args)+len(t.Files) == 0 {
		return &wording.UsageError{
			Err: errors.New("scan needs a target"), Hint: "onmux scan 10.0.0.0/24, or --targets-from FILE",
		}
	}
	var own []netip.Prefix
	own, s.NetworksUnread = target.OwnNetworks()
	plan, err := s.planOf(ctx, t, target.Config{Ports: t.Ports, Own: own})
	if err != nil {
		return err
	}
	if err := plan.CheckPublic(); err != nil && !t.Public && !t.DryRun {
		return &wording.UsageError{Err: err, Hint: "--yes, if they are; --dry-run prints the plan and sends nothing"}
	}
	s.Config.Plan, s.Ports = plan, plan.Ports()
	return nil
}

// planOf makes a plan of targets and exclusions.
func (s *Scan) planOf(ctx context.Context, t Targets, p target.Config) (*target.Plan, error) {
	s.Ports = p.Ports
	if !t.DryRun {
		p.Unresolved = func(err *target.ResolveError) { s.NotResolved = append(s.NotResolved, err) }
	}
	p.Files, p.Protos, p.IPv4, p.IPv6 = t.Inputs, t.Protos, t.IPv4, t.IPv6
	p.Targets, p.TargetFiles = t.Args, t.Files
	for _, list := range t.Exclude {
		p.Exclude = append(p.Exclude, strings.Split(list, ",")...)
	}
	plan, err := target.NewPlan(ctx, p)
	return plan, coverage.PlanError(err)
}

// Resume takes everything that makes the plan from a checkpoint. What the command line has
// of it too must agree. set reports whether a flag is given.
func (s *Scan) Resume(ctx context.Context, from *checkpoint.Checkpoint, t Targets, set func(flag string) bool) error {
	given := s.Config
	s.Config = scan.Resumed(from)
	s.Config.Rate, s.Config.NetRate, s.Config.All, s.Config.FollowUp = given.Rate, given.NetRate, given.All, given.FollowUp
	if set("seed") {
		s.Config.Seed = given.Seed
	}
	if set("shard") {
		s.Config.Shard = given.Shard
	}
	if set("retries") {
		s.Config.Retries = given.Retries
	}
	if set("timeout") {
		s.Config.Timeout = given.Timeout
	}
	saved := from.Plan()
	otherPorts := set("port") || set("proto")
	if !otherPorts {
		t.Ports = saved.Config().Ports
	}
	var err error
	if s.Config.Plan, err = s.resumedPlan(ctx, saved, t, otherPorts); err != nil {
		return err
	}
	if err := s.Config.Differs(); err != nil {
		return &wording.UsageError{
			Err: err, Hint: "with --resume, targets and the flags that make the plan can be left out",
		}
	}
	s.Config.Plan = saved // it knows what was left out, and why
	s.NotResolved = saved.Unresolved()
	s.Ports = saved.Ports()
	return nil
}

// resumedPlan is the plan of a checkpoint, with what the command line has instead, as ports.
func (s *Scan) resumedPlan(
	ctx context.Context,
	saved *target.Plan,
	t Targets,
	otherPorts bool,
) (*target.Plan, error) {
	if len(t.Args)+len(t.Files) > 0 {
		known := saved.Config()
		return s.planOf(ctx, t, target.Config{Ports: t.Ports, Own: known.Own, Resolve: known.Resolve})
	}
	if len(t.Exclude) > 0 {
		return nil, &wording.UsageError{
			Err:  errors.New("--exclude needs targets: those of the checkpoint are in it"),
			Hint: "leave it out, or give the targets too",
		}
	}
	first, last := saved.At(0).Addr, saved.At(saved.AddrCount()-1).Addr
	switch {
	case !t.IPv4 && first.Is4():
		return nil, &wording.UsageError{
			Err: errors.New("the checkpoint is of another plan: it has IPv4 addresses, not only IPv6 (-6)"),
		}
	case !t.IPv6 && last.Is6():
		return nil, &wording.UsageError{
			Err: errors.New("the checkpoint is of another plan: it has IPv6 addresses, not only IPv4 (-4)"),
		}
	}
	if !otherPorts {
		return saved, nil
	}
	return saved.OnPorts(t.Ports)
}

// AddControls resolves named controls (HOST[:PORT[/PROTO]]), each on the first address of its
// host. Without a port it is the scan's first.
func (s *Scan) AddControls(ctx context.Context, args []string, t Targets) error {
	names := inquiry.NewNames(net.DefaultResolver)
	for _, arg := range args {
		plan, err := target.NewPlan(ctx, target.Config{
			Targets: []string{arg}, Ports: s.Ports[:1], Protos: []probe.Proto{probe.TCP}, IPv4: t.IPv4, IPv6: t.IPv6,
			Resolve: names.Resolve, Unresolved: func(*target.ResolveError) {}, // of which one family suffices
		})
		if err != nil {
			return fmt.Errorf("--control %s: %w", arg, coverage.PlanError(err))
		}
		first := plan.At(0)
		if len(plan.Ports()) > 1 || plan.Host(first.Addr) == "" && plan.AddrCount() > 1 {
			return &wording.UsageError{
				Err: fmt.Errorf("--control %s: one host and one port are a control", arg), Hint: "repeat --control for others",
			}
		}
		s.Config.Controls.Endpoints = append(s.Config.Controls.Endpoints, first)
	}
	if n := len(s.Config.Controls.Endpoints); n > named.Most {
		return &wording.UsageError{
			Err: fmt.Errorf("%d controls are too many", n), Hint: fmt.Sprintf("at most %d", named.Most),
		}
	}
	return nil
}
