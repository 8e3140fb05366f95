package owner

import (
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxParents bounds how many ancestors of a process are reported.
const maxParents = 32

// ownerGrouper turns matches into owners. It keeps what it reads, because a process
// may hold many sockets.
type ownerGrouper struct {
	ProcFS
	booted   time.Time
	users    Users
	stats    map[int]stat // zero: could not be read
	programs map[int]string
	owners   map[int]Owner
}

func newOwnerGrouper(p ProcFS) *ownerGrouper {
	return &ownerGrouper{
		ProcFS: p, booted: p.boot(), users: make(Users),
		stats: make(map[int]stat), programs: make(map[int]string), owners: make(map[int]Owner),
	}
}

// group sets the owners of each socket. A process is the worker of its nearest
// ancestor that holds the socket, if both run the same program: what a server
// started and left its sockets to is an owner by itself.
func (f *ownerGrouper) group(seen []fdMatch, byInode map[uint64][]Owner) {
	held := make(map[uint64][]fdMatch)
	for _, s := range seen {
		held[s.inode] = append(held[s.inode], s)
		f.stats[s.pid] = s.stat
	}
	f.readOwners(held)
	for inode, holders := range held {
		slices.SortFunc(holders, func(a, b fdMatch) int { return a.pid - b.pid })
		byInode[inode] = f.groupOne(holders)
	}
}

// readOwners reads what the processes are that hold a socket alone, several at a time: the
// kernel takes the time.
func (f *ownerGrouper) readOwners(held map[uint64][]fdMatch) {
	var alone []fdMatch
	seen := make(map[int]bool)
	for _, holders := range held {
		if s := holders[0]; len(holders) == 1 && !seen[s.pid] {
			seen[s.pid] = true
			alone = append(alone, s)
		}
	}
	var next atomic.Int64
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(alone)) {
		workers.Go(func() {
			g := newOwnerGrouper(f.ProcFS)
			for i := next.Add(1) - 1; i < int64(len(alone)); i = next.Add(1) - 1 {
				g.stats[alone[i].pid] = alone[i].stat
				g.owner(alone[i])
			}
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(f.owners, g.owners)
		})
	}
	workers.Wait()
}

// groupOne returns the owners of a socket from the processes that hold it, sorted.
func (f *ownerGrouper) groupOne(holders []fdMatch) []Owner {
	masters := make(map[int]int)
	workers := make(map[int][]int)
	if len(holders) > 1 {
		for _, s := range holders {
			masters[s.pid] = f.master(s.pid, holders)
			if m := masters[s.pid]; m != s.pid {
				workers[m] = append(workers[m], s.pid)
			}
		}
	}
	var owners []Owner
	for _, s := range holders {
		if m, ok := masters[s.pid]; ok && m != s.pid {
			continue
		}
		o := f.owner(s)
		o.Workers = workers[s.pid]
		owners = append(owners, o)
	}
	if len(owners) > 1 {
		f.markUnrelated(owners)
	}
	return owners
}

// master is the outermost of the holders whose worker a process is, or itself.
func (f *ownerGrouper) master(pid int, holders []fdMatch) int {
	for _, ancestor := range f.ancestors(pid) {
		_, holds := slices.BinarySearchFunc(holders, ancestor, func(s fdMatch, pid int) int { return s.pid - pid })
		if !holds {
			continue
		}
		if mine, its := f.program(pid), f.program(ancestor); mine != its && mine != "" && its != "" {
			break
		}
		pid = ancestor
	}
	return pid
}

// markUnrelated marks the owners that share a socket with others and descend
// from none of them, nor they from it: it was passed, by SCM_RIGHTS or the
// like, or left by a process that let go of it.
func (f *ownerGrouper) markUnrelated(owners []Owner) {
	related := make(map[int]bool)
	for _, o := range owners {
		for _, pid := range f.ancestors(o.PID) {
			if slices.ContainsFunc(owners, func(o Owner) bool { return o.PID == pid }) {
				related[o.PID], related[pid] = true, true
			}
		}
	}
	for i, o := range owners {
		owners[i].Unrelated = !related[o.PID] && f.stat(o.PID) != stat{}
	}
}

// ancestors are the parent, its parent and so on, as far as that is known: to
// the first process of the namespace.
func (f *ownerGrouper) ancestors(pid int) []int {
	var up []int
	for s := f.stat(pid); s.parent != 0 && len(up) < maxParents; {
		parent := f.stat(s.parent)
		if parent.start > s.start { // the parent ended, and something else has its pid
			break
		}
		up = append(up, s.parent)
		s = parent
	}
	return up
}

func (f *ownerGrouper) stat(pid int) stat {
	s, ok := f.stats[pid]
	if !ok {
		b, _ := f.Read(pid, "stat")
		s, _ = parseStat(b)
		f.stats[pid] = s
	}
	return s
}

// program is the file that a process runs; "" if that may not be read.
func (f *ownerGrouper) program(pid int) string {
	exe, ok := f.programs[pid]
	if !ok {
		exe, _ = f.exe(pid)
		f.programs[pid] = exe
	}
	return exe
}

// exe is the file that a process runs, and whether it is no longer there. The
// kernel marks that behind the name (proc_pid_exe(5)), which may also end so.
func (f *ownerGrouper) exe(pid int) (name string, deleted bool) {
	link := f.Path(pid, "exe")
	name, err := os.Readlink(link)
	if err != nil {
		return "", false
	}
	bare, marked := strings.CutSuffix(name, " (deleted)")
	if !marked {
		return name, false
	}
	runs, err1 := os.Stat(link)
	named, err2 := os.Stat(name)
	if err1 == nil && err2 == nil && os.SameFile(runs, named) {
		return name, false
	}
	return bare, true
}

// owner reads what a process is; what may not be read stays empty. Its pid may
// be another's by now: nothing is reported of that one.
func (f *ownerGrouper) owner(s fdMatch) Owner {
	if o, ok := f.owners[s.pid]; ok {
		return o
	}
	o := Owner{PID: s.pid, Name: s.name, Started: f.started(s.stat)}
	if s.known {
		f.describe(&o)
		b, _ := f.Read(s.pid, "stat")
		if now, ok := parseStat(b); !ok || now.start != s.start {
			o = Owner{PID: s.pid, Name: s.name, Started: f.started(s.stat), Ended: true}
		} else {
			o.Name, o.Comm = f.wholeName(s.pid, now.name), now.name
			if o.Name == o.Comm {
				o.Comm = ""
			}
		}
	}
	f.owners[s.pid] = o
	return o
}

func (f *ownerGrouper) describe(o *Owner) {
	o.Exe, o.ExeDeleted = f.exe(o.PID)
	if b, err := f.Read(o.PID, "cmdline"); err == nil {
		o.setCmdline(parseCmdline(b), f.unmask)
	}
	if b, err := f.Read(o.PID, "status"); err == nil {
		if uid, ok := parseUID(b); ok {
			o.User, o.UID = f.users.nameOrNumber(uid), &uid
		}
	}
	if b, err := f.Read(o.PID, "cgroup"); err == nil {
		o.Place = ParseCgroups(b)
	}
	for _, pid := range f.ancestors(o.PID) {
		o.Parents = append(o.Parents, Process{pid, f.name(pid)})
	}
}

func (f *ownerGrouper) started(s stat) time.Time {
	if f.booted.IsZero() || s == (stat{}) {
		return time.Time{}
	}
	return f.booted.Add(s.start).Truncate(time.Second)
}
