//go:build !linux

package socket

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/shirou/gopsutil/v4/net"

	"onmux/probe"
)

// Read takes what the system lists. The error is the context's.
func Read(ctx context.Context, q Query) (Survey, error) {
	rows, err := net.ConnectionsWithContext(ctx, "inet")
	if ctxErr := ctx.Err(); ctxErr != nil {
		return Survey{}, ctxErr
	}
	// gopsutil reads the kernel's own tables on Windows, and elsewhere what lsof
	// sees.
	from := FromLsof
	if runtime.GOOS == "windows" {
		from = FromTable
	}
	switch {
	case err != nil:
		from, err = "", fmt.Errorf("the sockets of this machine cannot be listed: %w", err)
	case from == FromLsof && os.Geteuid() != 0:
		err = ErrOwnOnly
	}
	s := Survey{Table: make(Table)}
	for _, proto := range q.Protos() {
		s.Sources = append(s.Sources, Source{Proto: proto, From: from, IPv4: q.IPv4, IPv6: q.IPv6, Err: err,
			NoBound: runtime.GOOS == "windows" && proto == probe.TCP})
	}
	s.Table.addRows(q, rows)
	return s, nil
}

func (t Table) addRows(q Query, rows []net.ConnectionStat) {
	wanted := make(map[probe.Proto]*portSet)
	for _, proto := range q.Protos() {
		wanted[proto] = newPortSet(q.Ports[proto])
	}
	protos := map[uint32]probe.Proto{syscall.SOCK_STREAM: probe.TCP, syscall.SOCK_DGRAM: probe.UDP}
	for _, r := range rows {
		s, ok := row{
			proto: protos[r.Type], v6: r.Family == syscall.AF_INET6,
			local: r.Laddr.IP, port: r.Laddr.Port, peer: r.Raddr.IP, from: r.Raddr.Port,
			status: r.Status, pid: r.Pid,
		}.socket()
		if ports := wanted[s.Proto]; ok && ports != nil && ports.contains(s.Local.Port()) && s.inFamilies(q) {
			t.Add(s)
		}
	}
}

// Lister lists the sockets that listen, again and again. It is for one goroutine.
type Lister struct{ query Query }

// NewLister is one for the ports of a query.
func NewLister(q Query) *Lister { return &Lister{q} }

// Each calls see with each socket that listens. It returns whether those are all.
func (l *Lister) Each(ctx context.Context, see func(Socket)) (whole bool, err error) {
	s, err := Read(ctx, l.query)
	if err != nil {
		return false, err
	}
	for _, u := range s.Table {
		for _, listening := range u.Sockets[Listening] {
			see(listening)
		}
	}
	for _, source := range s.Sources {
		if source.Err != nil && source.Err != ErrOwnOnly {
			return false, source.Err
		}
	}
	return true, nil
}

// NameDevices does nothing: these systems name devices themselves.
func NameDevices([]Socket) {}

// Cookie is 0: these systems have no name for a socket.
func (s Socket) Cookie() uint64 { return 0 }
