package local

import (
	"os"
	"slices"
	"strings"
	"time"
)

// maxParents bounds how far up the parents of a process are told.
const maxParents = 32

// folder turns sightings into owners. What it reads it keeps, because a process
// may hold many sockets.
type folder struct {
	proc
	booted   time.Time
	users    users
	stats    map[int]stat // zero: could not be read
	programs map[int]string
	owners   map[int]Owner
}

func newFolder(p proc) *folder {
	return &folder{
		proc: p, booted: p.boot(), users: make(users),
		stats: make(map[int]stat), programs: make(map[int]string), owners: make(map[int]Owner),
	}
}

// fold tells the owners of each socket. A process is the worker of its nearest
// ancestor that holds the socket, if both run the same program: what a server
// started and left its sockets to is an owner by itself.
func (f *folder) fold(seen []sighting, byInode map[uint64][]Owner) {
	held := make(map[uint64][]sighting)
	for _, s := range seen {
		held[s.inode] = append(held[s.inode], s)
		f.stats[s.pid] = s.stat
	}
	for inode, holders := range held {
		slices.SortFunc(holders, func(a, b sighting) int { return a.pid - b.pid })
		byInode[inode] = f.share(holders)
	}
}

// share tells the owners of a socket by those who hold it, sorted.
func (f *folder) share(holders []sighting) []Owner {
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
func (f *folder) master(pid int, holders []sighting) int {
	for _, ancestor := range f.ancestors(pid) {
		_, holds := slices.BinarySearchFunc(holders, ancestor, func(s sighting, pid int) int { return s.pid - pid })
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
// from none of them, nor they from it: it was handed over, by SCM_RIGHTS or the
// like, or left by a process that let go of it.
func (f *folder) markUnrelated(owners []Owner) {
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
func (f *folder) ancestors(pid int) []int {
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

func (f *folder) stat(pid int) stat {
	s, ok := f.stats[pid]
	if !ok {
		b, _ := f.read(pid, "stat")
		s, _ = parseStat(b)
		f.stats[pid] = s
	}
	return s
}

// program is the file that a process runs; "" if that may not be read.
func (f *folder) program(pid int) string {
	exe, ok := f.programs[pid]
	if !ok {
		exe, _ = f.exe(pid)
		f.programs[pid] = exe
	}
	return exe
}

// exe is the file that a process runs, and whether it is no longer there. The
// kernel says so after the name (proc_pid_exe(5)), which may be its real end.
func (f *folder) exe(pid int) (name string, deleted bool) {
	link := f.path(pid, "exe")
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
// be another's by now: nothing is told of that one.
func (f *folder) owner(s sighting) Owner {
	if o, ok := f.owners[s.pid]; ok {
		return o
	}
	o := Owner{PID: s.pid, Name: s.name, Started: f.started(s.stat)}
	if s.known {
		f.describe(&o)
		b, _ := f.read(s.pid, "stat")
		if now, ok := parseStat(b); !ok || now.start != s.start {
			o = Owner{PID: s.pid, Name: s.name, Started: f.started(s.stat), Ended: true}
		} else {
			o.Name = now.name
		}
	}
	f.owners[s.pid] = o
	return o
}

func (f *folder) describe(o *Owner) {
	o.Exe, o.ExeDeleted = f.exe(o.PID)
	if b, err := f.read(o.PID, "cmdline"); err == nil {
		o.Cmdline = parseCmdline(b)
	}
	if b, err := f.read(o.PID, "status"); err == nil {
		if uid, ok := parseUID(b); ok {
			o.User, o.UID = f.users.nameOrNumber(uid), &uid
		}
	}
	if b, err := f.read(o.PID, "cgroup"); err == nil {
		o.Place = parseCgroups(b)
	}
	for _, pid := range f.ancestors(o.PID) {
		o.Parents = append(o.Parents, Process{pid, f.stat(pid).name})
	}
}

func (f *folder) started(s stat) time.Time {
	if f.booted.IsZero() || s == (stat{}) {
		return time.Time{}
	}
	return f.booted.Add(s.start).Truncate(time.Second)
}
