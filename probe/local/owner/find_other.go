//go:build !linux

package owner

import (
	"context"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"onmux/probe/local/socket"
)

// findOwners describes the processes behind sockets, which are named by them.
func scanOwners(ctx context.Context, pids []uint64, unmask bool) (Scan, error) {
	o := Scan{Of: make(map[uint64][]Owner)}
	for _, pid := range pids {
		if err := ctx.Err(); err != nil {
			return o, err
		}
		if o.Of[pid] == nil && pid > 0 {
			o.Of[pid] = []Owner{owner(ctx, int32(pid), unmask)}
		}
	}
	return o, nil
}

// inPIDNamespace is false: there are none.
func inPIDNamespace() bool { return false }

// findOrigins finds nothing: only Linux has cgroups.
func findOrigins(context.Context, []socket.Socket, Scan) map[uint64]Origin { return nil }

// owner reads what a process is; what may not be read stays empty.
func owner(ctx context.Context, pid int32, unmask bool) Owner {
	o := Owner{PID: int(pid)}
	p, err := process.NewProcessWithContext(ctx, pid)
	if err != nil {
		return o
	}
	o.Name, _ = p.NameWithContext(ctx)
	o.Exe, _ = p.ExeWithContext(ctx)
	if args, err := p.CmdlineSliceWithContext(ctx); err == nil {
		o.setCmdline(args, unmask)
	}
	o.User, _ = p.UsernameWithContext(ctx)
	if ms, err := p.CreateTimeWithContext(ctx); err == nil && ms > 0 {
		o.Started = time.UnixMilli(ms).UTC().Truncate(time.Second)
	}
	return o
}
