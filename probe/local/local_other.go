//go:build !linux

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"

	"onmux/probe"
)

// errOwnOnly says that the list has the caller's own sockets and no others.
var errOwnOnly = errors.New("without root this system lists only the sockets of one's own processes")

// look takes what the system lists. The error is the context's.
func look(ctx context.Context, q query) (view, error) {
	v := view{
		census: make(census), where: "on this machine",
		notes: []string{
			"whether an IPv6 socket takes IPv4 too, devices and accept queues: not told by this system",
			"NAT redirects: not looked at",
		},
	}
	rows, err := net.ConnectionsWithContext(ctx, "inet")
	if ctxErr := ctx.Err(); ctxErr != nil {
		return view{}, ctxErr
	}
	// gopsutil reads the kernel's own tables on Windows, and elsewhere what lsof
	// sees.
	name, blind := "lsof", false
	if runtime.GOOS == "windows" {
		name, blind = "the kernel", true
		v.notes = append(v.notes, "TCP sockets that are bound and do not listen: not told by this system")
	}
	switch {
	case err != nil:
		name, err = "", fmt.Errorf("the sockets of this machine cannot be listed: %w", err)
	case name == "lsof" && os.Geteuid() != 0:
		err = errOwnOnly
		v.hints = append(v.hints, "run as root to see the sockets of everybody")
	}
	for _, proto := range q.protos() {
		v.sources = append(v.sources, source{
			proto: proto, name: name, families: q.familyNames(), err: err, blind: blind && proto == probe.TCP,
		})
	}
	v.census.addRows(q, rows)
	return v, nil
}

func (c census) addRows(q query, rows []net.ConnectionStat) {
	wanted := make(map[probe.Proto]*portSet)
	for _, proto := range q.protos() {
		wanted[proto] = newPortSet(q.ports[proto])
	}
	protos := map[uint32]probe.Proto{syscall.SOCK_STREAM: probe.TCP, syscall.SOCK_DGRAM: probe.UDP}
	for _, r := range rows {
		s, ok := row{
			proto: protos[r.Type], v6: r.Family == syscall.AF_INET6,
			local: r.Laddr.IP, port: r.Laddr.Port, peer: r.Raddr.IP, from: r.Raddr.Port,
			status: r.Status, pid: r.Pid,
		}.socket()
		if ports := wanted[s.proto]; ok && ports != nil && ports.has(s.local.Port()) && s.wanted(q) {
			c.see(s)
		}
	}
}

// findOwners describes the processes behind sockets, which are named by them.
func findOwners(ctx context.Context, pids []uint64) (ownership, error) {
	o := ownership{of: make(map[uint64][]Owner)}
	for _, pid := range pids {
		if err := ctx.Err(); err != nil {
			return o, err
		}
		if o.of[pid] == nil && pid > 0 {
			o.of[pid] = []Owner{owner(ctx, int32(pid))}
		}
	}
	return o, nil
}

// findOrigins tells nothing: of cgroups only Linux knows.
func findOrigins(context.Context, []socket, ownership) map[uint64]Origin { return nil }

// owner reads what a process is; what may not be read stays empty.
func owner(ctx context.Context, pid int32) Owner {
	o := Owner{PID: int(pid)}
	p, err := process.NewProcessWithContext(ctx, pid)
	if err != nil {
		return o
	}
	o.Name, _ = p.NameWithContext(ctx)
	o.Exe, _ = p.ExeWithContext(ctx)
	if args, err := p.CmdlineSliceWithContext(ctx); err == nil {
		o.Cmdline = boundArgs(args)
	}
	o.User, _ = p.UsernameWithContext(ctx)
	if ms, err := p.CreateTimeWithContext(ctx); err == nil && ms > 0 {
		o.Started = time.UnixMilli(ms).UTC().Truncate(time.Second)
	}
	return o
}
