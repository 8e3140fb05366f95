//go:build !linux

package local

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"

	"onmux/probe"
)

// Check tells what holds the requested ports, as far as this system tells. Its
// error says that the whole question was void: no ports, or the context ended.
// A list of sockets that cannot be read makes every verdict unknown.
func Check(ctx context.Context, r Request) (Report, error) {
	if len(r.Ports) == 0 {
		return Report{}, errors.New("no port to look at")
	}
	seen := make(map[probe.Port]*sighted)
	for _, p := range r.Ports {
		seen[p] = &sighted{}
	}
	sockets, err := list(ctx)
	if ctx.Err() != nil {
		return Report{}, ctx.Err()
	}
	report := Report{Coverage: []string{
		"sockets as this system lists them",
		"sockets that are bound without listening, accept queues, and whether an IPv6 socket takes IPv4: not told by this system",
		"NAT redirects: not looked at",
	}}
	if err != nil {
		for _, s := range seen {
			s.failed = fmt.Errorf("the sockets of this machine cannot be listed: %w", err)
		}
	}
	for _, s := range sockets {
		// Whether an IPv6 socket is dual-stack is not known: it counts for both.
		if at := seen[s.at()]; at != nil && (r.IPv6 || s.local.Addr().Is4() || s.local.Addr().IsUnspecified()) && (r.IPv4 || s.local.Addr().Is6()) {
			s.inode = uint64(max(s.pid, 0)) // judge looks owners up by it
			at.sockets = append(at.sockets, s)
		}
	}
	owners := make(map[uint64][]Owner)
	if r.Owners {
		report.Coverage = append(report.Coverage, ownersOf(ctx, seen, owners))
	}
	for _, p := range r.Ports {
		v, told := judge(p, *seen[p], owners)
		for i := range told {
			told[i].Inode, told[i].NetNS = 0, ""
		}
		report.Verdicts = append(report.Verdicts, v)
		report.Listeners = append(report.Listeners, told...)
	}
	return report, nil
}

func list(ctx context.Context) ([]socket, error) {
	all, err := net.ConnectionsWithContext(ctx, "inet")
	var sockets []socket
	for _, c := range all {
		r := row{
			proto: map[uint32]probe.Proto{syscall.SOCK_STREAM: probe.TCP, syscall.SOCK_DGRAM: probe.UDP}[c.Type],
			v6:    c.Family == syscall.AF_INET6,
			local: c.Laddr.IP, port: c.Laddr.Port, peer: c.Raddr.IP, from: c.Raddr.Port,
			status: c.Status, pid: c.Pid,
		}
		if s, ok := r.socket(); ok {
			sockets = append(sockets, s)
		}
	}
	return sockets, err
}

// ownersOf finds the processes of the sockets that hold a port, and says how
// many it found.
func ownersOf(ctx context.Context, seen map[probe.Port]*sighted, owners map[uint64][]Owner) string {
	held, known := 0, 0
	for _, at := range seen {
		for _, s := range at.telling() {
			held++
			if s.pid <= 0 {
				continue
			}
			known++
			if owners[uint64(s.pid)] == nil {
				owners[uint64(s.pid)] = []Owner{owner(ctx, s.pid)}
			}
		}
	}
	return fmt.Sprintf("owners of %d of %s", known, count(held, "socket"))
}

// owner reads what a process is; what may not be read stays empty.
func owner(ctx context.Context, pid int) Owner {
	o := Owner{PID: pid}
	p, err := process.NewProcessWithContext(ctx, int32(pid))
	if err != nil {
		return o
	}
	o.Name, _ = p.NameWithContext(ctx)
	o.Exe, _ = p.ExeWithContext(ctx)
	o.Cmdline, _ = p.CmdlineSliceWithContext(ctx)
	o.User, _ = p.UsernameWithContext(ctx)
	if ms, err := p.CreateTimeWithContext(ctx); err == nil && ms > 0 {
		o.Started = time.UnixMilli(ms).UTC().Truncate(time.Second)
	}
	return o
}
