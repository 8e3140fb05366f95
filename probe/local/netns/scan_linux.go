package netns

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// Bounds of the search for network namespaces.
const (
	maxFiles     = 4096 // files in a directory of names
	maxProcesses = 4    // processes of a namespace through which it is tried
)

// nsDirs is where network namespaces are kept by name, bound to a file each:
// by ip-netns(8), which also CNI and Podman follow, and by Docker.
var nsDirs = []string{"/run/netns", "/var/run/netns", dockerBinds, "/var/run/docker/netns"}

const dockerBinds = "/run/docker/netns"

// netNS is a network namespace that is not the caller's.
type netNS struct {
	nsid  owner.NSID
	inode uint64 // as in "net:[4026532177]" (namespaces(7)); 0 if that is not known
	file  string // by which it is bound to a name
	pids  []int  // a few of its processes

	table   socket.Table
	addrs   []netip.Addr // if they were asked for, and it could be entered
	noBound bool         // sockets that are bound and do not listen are not listed
	err     error        // why it could not be read, or not all of it
	gone    bool
}

// nsFile is a file to which a namespace is bound.
type nsFile struct {
	file  string
	inode uint64
}

// nsScan is the search for network namespaces: all of which a process can be seen,
// and all that have a name.
type nsScan struct {
	owner.ProcFS
	file       string // whose inode identifies namespaces
	own        owner.NSID
	inode      uint64                // of the caller's namespace
	namespaces map[owner.NSID]*netNS // all others
	refused    int                   // processes whose namespace is not known
	refusedErr error                 // why
	closed     []nsFile              // what could not be entered, and may be one of namespaces or not
	closedErr  error                 // why
	hidden     bool                  // there are processes that cannot be seen
}

// Look looks at the other network namespaces than the calling thread's. The error is the
// context's.
func Look(ctx context.Context, q socket.Query, addrs bool) (Others, error) {
	return lookIn(ctx, owner.SystemProc(), q, addrs, nsDirs)
}

// Start is Look while the caller does something else, until it calls wait.
func Start(ctx context.Context, q socket.Query, addrs bool) (wait func() (Others, error)) {
	w, failed := newScan(owner.SystemProc())
	var others Others
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		others, err = w.look(ctx, q, addrs, nsDirs, failed)
	}()
	return func() (Others, error) {
		<-done
		return others, err
	}
}

// lookIn is Look for any proc(5) file system and directories of names.
func lookIn(ctx context.Context, p owner.ProcFS, q socket.Query, addrs bool, dirs []string) (Others, error) {
	w, failed := newScan(p)
	return w.look(ctx, q, addrs, dirs, failed)
}

// look does a scan, unless it failed when it was made.
func (w *nsScan) look(ctx context.Context, q socket.Query, addrs bool, dirs []string, err error) (Others, error) {
	if err == nil {
		err = w.explore(ctx, dirs)
	}
	if err != nil {
		return Others{Coverage: Coverage{Looked: true, Err: err}}, ctx.Err()
	}
	all := w.sorted()
	read := all[:min(len(all), MaxNamespaces)]
	q.Counts = false
	forEach(ctx, len(read), func(diag *socket.Diag, i int) { w.read(ctx, q, addrs, diag, read[i]) })
	if err := ctx.Err(); err != nil {
		return Others{}, err
	}
	read = slices.DeleteFunc(slices.Clone(read), func(r *netNS) bool { return r.gone })
	return Others{Namespaces: w.results(read), Coverage: w.coverage(read, max(len(all)-MaxNamespaces, 0))}, nil
}

// newScan is a search for namespaces other than the calling thread's.
func newScan(p owner.ProcFS) (w *nsScan, err error) {
	w = &nsScan{ProcFS: p, namespaces: make(map[owner.NSID]*netNS)}
	if w.file, err = p.NSIDFile(); err != nil {
		return w, err
	}
	w.own, err = w.id("thread-self")
	w.inode, _ = w.NSInode("thread-self")
	return w, err
}

// explore finds the namespaces.
func (w *nsScan) explore(ctx context.Context, dirs []string) error {
	if err := w.findByProcess(ctx); err != nil {
		return err
	}
	w.findByName(ctx, listFiles(dirs))
	return ctx.Err()
}

// id is the namespace of a process, by its directory's name.
func (w *nsScan) id(process string) (owner.NSID, error) { return w.NSIDOf(process, w.file) }

// findByProcess finds the namespaces of all processes, which are listed and read by
// several workers at a time: either takes as long as the other.
func (w *nsScan) findByProcess(ctx context.Context) error {
	dir, err := os.Open(w.Root)
	if err != nil {
		return err
	}
	defer dir.Close()
	var (
		mu      sync.Mutex
		workers sync.WaitGroup
	)
	of := make(map[owner.NSID][]int)
	w.hidden = true
	some := func() (more bool) {
		mu.Lock()
		names, failed := dir.Readdirnames(256)
		if failed != nil && failed != io.EOF {
			err = failed
		}
		mu.Unlock()
		found, refused, refusal := w.otherNamespaces(names)
		mu.Lock()
		defer mu.Unlock()
		for s, pids := range found {
			of[s] = append(of[s], pids...)
		}
		w.refused, w.refusedErr = w.refused+refused, cmp.Or(w.refusedErr, refusal)
		w.hidden = w.hidden && !slices.Contains(names, "1") // see proc.hides
		return len(names) == 256 && ctx.Err() == nil
	}
	if some() { // of few processes another worker would start too late
		for range runtime.GOMAXPROCS(0) {
			workers.Go(func() {
				for some() {
				}
			})
		}
		workers.Wait()
	}
	for s, pids := range of {
		slices.Sort(pids)
		r := &netNS{nsid: s, pids: pids[:min(len(pids), maxProcesses)]}
		for _, pid := range r.pids {
			if r.inode, _ = w.NSInode(strconv.Itoa(pid)); r.inode != 0 {
				break
			}
		}
		w.namespaces[s] = r
	}
	return err
}

// otherNamespaces are those of some processes, by the names of their directories, that
// are in another namespace than the caller.
func (w *nsScan) otherNamespaces(processes []string) (found map[owner.NSID][]int, refused int, why error) {
	found = make(map[owner.NSID][]int)
	own := fmt.Appendf(nil, "net:[%d]", w.inode)
	tries := 8 // links that one may not read; 0: none is read any more
	if w.inode == 0 {
		tries = 0
	}
	link := make([]byte, 64)
	for _, name := range processes {
		pid, err := strconv.Atoi(name)
		if err != nil || pid <= 0 {
			continue
		}
		if tries > 0 {
			// Where one may, reading this link takes half the time of an NSID.
			n, err := unix.Readlink(w.Root+"/"+name+"/"+owner.NSFile, link)
			if err == nil && bytes.Equal(link[:n], own) {
				continue
			}
			if err != nil && !owner.IsGone(err) {
				tries--
			}
		}
		switch s, err := w.id(name); {
		case err == nil && s != w.own:
			found[s] = append(found[s], pid)
		case err != nil && !owner.IsGone(err):
			refused, why = refused+1, err
		}
	}
	return found, refused, why
}

// listFiles finds the files in some directories that are namespaces.
func listFiles(dirs []string) []nsFile {
	var binds []nsFile
	known := make(map[uint64]bool)
	for _, dir := range dirs {
		d, err := os.Open(dir)
		if err != nil {
			continue
		}
		names, _ := d.Readdirnames(maxFiles)
		d.Close()
		slices.Sort(names)
		for _, name := range names {
			file := filepath.Join(dir, name)
			var fs unix.Statfs_t
			if unix.Statfs(file, &fs) != nil || fs.Type != unix.NSFS_MAGIC {
				continue // left over, or never one
			}
			if inode, err := owner.InodeOf(file); err == nil && !known[inode] {
				known[inode] = true
				binds = append(binds, nsFile{file, inode})
			}
		}
	}
	return binds
}

// findByName gives namespaces their names, and finds those that have no process.
func (w *nsScan) findByName(ctx context.Context, binds []nsFile) {
	byInode := make(map[uint64]*netNS)
	for _, r := range w.namespaces {
		if r.inode != 0 {
			byInode[r.inode] = r
		}
	}
	var unknown []nsFile
	for _, b := range binds {
		switch r := byInode[b.inode]; {
		case r != nil:
			r.file = b.file
		case b.inode != w.inode:
			unknown = append(unknown, b)
		}
	}
	ids, errs := make([]owner.NSID, len(unknown)), make([]error, len(unknown))
	forEach(ctx, len(unknown), func(_ *socket.Diag, i int) {
		if errs[i] = enter(unknown[i].file); errs[i] == nil {
			ids[i], errs[i] = w.id("thread-self")
		}
	})
	for i, b := range unknown {
		switch r := w.namespaces[ids[i]]; {
		// a namespace of another kind, or unbound since
		case errors.Is(errs[i], unix.EINVAL), errs[i] != nil && owner.IsGone(errs[i]):
		case errs[i] != nil:
			w.closed, w.closedErr = append(w.closed, b), errs[i]
		case r != nil:
			r.file, r.inode = b.file, b.inode
		case ids[i] != w.own:
			w.namespaces[ids[i]] = &netNS{nsid: ids[i], inode: b.inode, file: b.file}
		}
	}
}

// sorted is all namespaces but the caller's, the oldest first: NSIDs mostly grow.
func (w *nsScan) sorted() []*netNS {
	all := make([]*netNS, 0, len(w.namespaces))
	for _, r := range w.namespaces {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *netNS) int {
		if a.nsid < b.nsid {
			return -1
		}
		return 1
	})
	return all
}
