package owner

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"onmux/probe/local/socket"
)

// Bounds of the search for who may hold a socket.
const (
	maxCandidates = 8
	maxProcs      = 64 << 10 // bytes of cgroup.procs
	maxExamined   = 1024     // processes whose user is read
)

// findOrigins finds where sockets were made: those whose owner could not be
// seen, with who may hold them, and those that systemd holds for a unit.
func findOrigins(ctx context.Context, sockets []socket.Socket, o Scan) map[uint64]Origin {
	return SystemProc().origins(ctx, sockets, o)
}

// managers is the unit in which systemd itself runs, the system's and users'.
const managerUnit = "init.scope"

func isManager(o Owner) bool { return o.Unit == managerUnit }

// origins is findOrigins for any proc(5) file system.
func (p ProcFS) origins(ctx context.Context, sockets []socket.Socket, o Scan) map[uint64]Origin {
	var wanted []socket.Socket
	ids := make(map[uint64]bool)
	for _, s := range sockets {
		if owners := o.Of[s.Holder]; s.Holder != 0 && (len(owners) == 0 || slices.ContainsFunc(owners, isManager)) {
			wanted = append(wanted, s)
			if s.Cgroup != 0 {
				ids[s.Cgroup] = true
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	unified := p.cgroup2()
	f := originFinder{ownerGrouper: newOwnerGrouper(p), Scan: o, cgroup2: unified, paths: unified.find(ctx, ids)}
	origins := make(map[uint64]Origin)
	for _, s := range wanted {
		if ctx.Err() != nil {
			break
		}
		origins[s.Holder] = f.origin(s)
	}
	return origins
}

// originFinder finds which processes may hold sockets.
type originFinder struct {
	*ownerGrouper
	Scan
	cgroup2
	paths map[uint64]string // of cgroups, by id
	euids map[int]uint32    // of the processes that could not be looked at

	namespaces map[int]NSID // their network namespaces
	idFile     string       // the file whose inode identifies one
	own        NSID         // the caller's
}

func (f *originFinder) origin(s socket.Socket) Origin {
	var in Origin
	path, known := f.paths[s.Cgroup]
	if known {
		in.Place = parseCgroup(path)
	}
	owners := f.Of[s.Holder]
	for i := range owners {
		if owners[i].Unit == managerUnit && isSocketUnit(in.Unit) {
			owners[i].SocketUnit = in.Unit
		}
	}
	if len(owners) > 0 {
		return in
	}
	if known && path != "/" {
		in.Candidates, in.MoreCandidates = f.inCgroup(path, s)
	} else if s.HasUID {
		in.Candidates = f.ofUser(s)
	}
	return in
}

// inCgroup are the processes in the cgroup in which a socket was made, those of
// its user first.
func (f *originFinder) inCgroup(path string, s socket.Socket) (few []Candidate, more int) {
	for _, pid := range f.processes(path) {
		if !f.mayHold(pid) {
			continue
		}
		if len(few) == maxExamined {
			more++
			continue
		}
		few = append(few, Candidate{Process: Process{pid, f.name(pid)}, By: "cgroup"})
	}
	slices.SortStableFunc(few, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(f.rank(a.PID, s), f.rank(b.PID, s)), cmp.Compare(a.PID, b.PID))
	})
	few, left := f.rankCandidates(few, parseCgroup(path).Unit, s)
	return few, more + left
}

// rank is 0 for processes of a socket's user: others may have got it from one.
func (f *originFinder) rank(pid int, s socket.Socket) int {
	if uid, ok := f.euid(pid); s.HasUID && ok && uid == s.UID {
		return 0
	}
	return 1
}

// ofUser are the processes of a socket's user, if there are so few that this means
// something, or those that fit: those in the socket's network namespace, or all if none is there,
// because a process keeps its sockets when it goes to another.
func (f *originFinder) ofUser(s socket.Socket) []Candidate {
	if f.Hidden || len(f.Unreadable) > maxExamined {
		return nil
	}
	var all, near []int
	for _, pid := range f.Unreadable {
		if euid, ok := f.euid(pid); ok && euid == s.UID {
			all = append(all, pid)
			if f.near(pid, s) {
				near = append(near, pid)
			}
		}
	}
	if len(near) > 0 {
		all = near
	}
	var few []Candidate
	for _, pid := range all {
		few = append(few, Candidate{Process: Process{pid, f.name(pid)}, By: "user"})
	}
	few, more := f.rankCandidates(few, "", s)
	if more > 0 { // of so many only those that fit mean something
		if few = slices.DeleteFunc(few, func(c Candidate) bool { return !c.Likely }); len(few) == 0 {
			return nil
		}
	}
	return few
}

// near reports whether a process is, or may be, in the network namespace of a
// socket.
func (f *originFinder) near(pid int, s socket.Socket) bool {
	if f.namespaces == nil {
		f.namespaces = make(map[int]NSID)
		if f.idFile, _ = f.NSIDFile(); f.idFile != "" {
			f.own, _ = f.NSIDOf("thread-self", f.idFile)
		}
	}
	in, known := f.namespaces[pid]
	if !known && f.own != 0 {
		in, _ = f.NSIDOf(strconv.Itoa(pid), f.idFile)
		f.namespaces[pid] = in
	}
	return in == 0 || f.own == 0 || in == cmp.Or(NSID(s.NetNS), f.own)
}

// mayHold is false of a process that was looked at and does not.
func (f *originFinder) mayHold(pid int) bool {
	if _, unread := slices.BinarySearch(f.Unreadable, pid); unread {
		return true
	}
	_, listed := slices.BinarySearch(f.Listed, pid)
	return !listed && f.Hidden
}

func (f *originFinder) euid(pid int) (uint32, bool) {
	if uid, ok := f.euids[pid]; ok {
		return uid, uid != noUser
	}
	if f.euids == nil {
		f.euids = make(map[int]uint32)
	}
	b, _ := f.Read(pid, "status")
	uid, ok := parseUID(b)
	if !ok {
		uid = noUser
	}
	f.euids[pid] = uid
	return uid, ok
}

// noUser is no user's number: (uid_t)-1 (setreuid(2)).
const noUser = 1<<32 - 1

func isSocketUnit(unit string) bool { return strings.HasSuffix(unit, ".socket") }

// parseProcs reads cgroup.procs: a pid a line, 0 for one of another namespace.
func parseProcs(b []byte) []int {
	var pids []int
	for line := range bytes.Lines(b) {
		if pid, err := strconv.Atoi(string(bytes.TrimSpace(line))); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}
