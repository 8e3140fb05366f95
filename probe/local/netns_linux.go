package local

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
)

// Bounds of the search for network namespaces.
const (
	maxBound = 4096 // files in a directory of names
	maxWays  = 4    // processes of a namespace through which it is tried
)

// boundIn is where network namespaces are kept by name, bound to a file each:
// by ip-netns(8), which also CNI and Podman follow, and by Docker.
var boundIn = []string{"/run/netns", "/var/run/netns", dockerBinds, "/var/run/docker/netns"}

const dockerBinds = "/run/docker/netns"

// realm is a network namespace that is not the caller's.
type realm struct {
	sign  sign
	inode uint64 // as in "net:[4026532177]" (namespaces(7)); 0 if that is not told
	file  string // by which it is bound to a name
	pids  []int  // a few of its processes

	census census
	addrs  []netip.Addr // if they were asked for, and it could be entered
	blind  bool         // sockets that are bound and do not listen are not told
	err    error        // why it could not be read, or not all of it
	gone   bool
}

// named is a file to which a namespace is bound.
type named struct {
	file  string
	inode uint64
}

// world is the search for network namespaces: all of which a process can be seen,
// and all that have a name.
type world struct {
	proc
	file    string // whose inode is the sign
	own     sign
	inode   uint64          // of the caller's namespace
	realms  map[sign]*realm // all others
	refused int             // processes whose namespace is not told
	refusal error           // why
	closed  []named         // what could not be entered, and may be one of realms or not
	closing error           // why
	hidden  bool            // there are processes that cannot be seen
}

// lookAbroad looks at the other network namespaces. The error is the context's.
func lookAbroad(ctx context.Context, q Query, addrs bool) (abroad, error) {
	return lookIn(ctx, machine(), q, addrs, boundIn)
}

// lookIn is lookAbroad for any proc(5) file system and directories of names.
func lookIn(ctx context.Context, p proc, q Query, addrs bool, dirs []string) (abroad, error) {
	w, err := explore(ctx, p, dirs)
	if err != nil {
		return abroad{coverage: Coverage{Looked: true, Err: err}}, ctx.Err()
	}
	realms := w.sorted()
	read := realms[:min(len(realms), MaxNamespaces)]
	visit(ctx, len(read), func(diag *sockDiag, i int) { w.read(ctx, q, addrs, diag, read[i]) })
	if err := ctx.Err(); err != nil {
		return abroad{}, err
	}
	read = slices.DeleteFunc(slices.Clone(read), func(r *realm) bool { return r.gone })
	return abroad{spaces: w.spaces(read), coverage: w.coverage(read, max(len(realms)-MaxNamespaces, 0))}, nil
}

// explore finds the namespaces.
func explore(ctx context.Context, p proc, dirs []string) (*world, error) {
	w := &world{proc: p, realms: make(map[sign]*realm)}
	var err error
	if w.file, err = p.signFile(); err != nil {
		return nil, err
	}
	if w.own, err = w.id("thread-self"); err != nil {
		return nil, err
	}
	w.inode, _ = w.nsfs("thread-self")
	if err := w.signs(ctx); err != nil {
		return nil, err
	}
	w.bound(ctx, listBinds(dirs))
	return w, ctx.Err()
}

// id is the namespace of a process, by its directory's name.
func (w *world) id(process string) (sign, error) { return w.idOf(process, w.file) }

// signs finds the namespaces of all processes, which are listed and looked at by
// several workers at a time: either takes as long as the other.
func (w *world) signs(ctx context.Context) error {
	dir, err := os.Open(w.root)
	if err != nil {
		return err
	}
	defer dir.Close()
	var (
		mu      sync.Mutex
		workers sync.WaitGroup
	)
	of := make(map[sign][]int)
	w.hidden = true
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				names, failed := dir.Readdirnames(256)
				if failed != nil && failed != io.EOF {
					err = failed
				}
				mu.Unlock()
				if len(names) == 0 {
					break
				}
				found, refused, refusal := w.strangers(names)
				mu.Lock()
				for s, pids := range found {
					of[s] = append(of[s], pids...)
				}
				w.refused, w.refusal = w.refused+refused, cmp.Or(w.refusal, refusal)
				w.hidden = w.hidden && !slices.Contains(names, "1") // see proc.hides
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	for s, pids := range of {
		slices.Sort(pids)
		r := &realm{sign: s, pids: pids[:min(len(pids), maxWays)]}
		for _, pid := range r.pids {
			if r.inode, _ = w.nsfs(strconv.Itoa(pid)); r.inode != 0 {
				break
			}
		}
		w.realms[s] = r
	}
	return err
}

// strangers are those of some processes, by the names of their directories, that
// are in another namespace than the caller.
func (w *world) strangers(processes []string) (found map[sign][]int, refused int, why error) {
	found = make(map[sign][]int)
	own, told := []byte(fmt.Sprintf("net:[%d]", w.inode)), w.inode != 0
	link := make([]byte, 64)
	for _, name := range processes {
		pid, err := strconv.Atoi(name)
		if err != nil || pid <= 0 {
			continue
		}
		if told {
			// Where one may, reading this link takes half the time of a sign.
			n, err := unix.Readlink(w.root+"/"+name+"/"+signTraced, link)
			if err == nil && bytes.Equal(link[:n], own) {
				continue
			}
			told = err == nil || gone(err)
		}
		switch s, err := w.id(name); {
		case err == nil && s != w.own:
			found[s] = append(found[s], pid)
		case err != nil && !gone(err):
			refused, why = refused+1, err
		}
	}
	return found, refused, why
}

// listBinds finds the files in some directories that are namespaces.
func listBinds(dirs []string) []named {
	var binds []named
	known := make(map[uint64]bool)
	for _, dir := range dirs {
		d, err := os.Open(dir)
		if err != nil {
			continue
		}
		names, _ := d.Readdirnames(maxBound)
		d.Close()
		slices.Sort(names)
		for _, name := range names {
			file := filepath.Join(dir, name)
			var fs unix.Statfs_t
			if unix.Statfs(file, &fs) != nil || fs.Type != unix.NSFS_MAGIC {
				continue // left over, or never one
			}
			if inode, err := inodeAt(file); err == nil && !known[inode] {
				known[inode] = true
				binds = append(binds, named{file, inode})
			}
		}
	}
	return binds
}

// bound gives namespaces their names, and finds those that have no process.
func (w *world) bound(ctx context.Context, binds []named) {
	byInode := make(map[uint64]*realm)
	for _, r := range w.realms {
		if r.inode != 0 {
			byInode[r.inode] = r
		}
	}
	var strange []named
	for _, b := range binds {
		switch r := byInode[b.inode]; {
		case r != nil:
			r.file = b.file
		case b.inode != w.inode:
			strange = append(strange, b)
		}
	}
	signs, errs := make([]sign, len(strange)), make([]error, len(strange))
	visit(ctx, len(strange), func(_ *sockDiag, i int) {
		if errs[i] = enter(strange[i].file); errs[i] == nil {
			signs[i], errs[i] = w.id("thread-self")
		}
	})
	for i, b := range strange {
		switch r := w.realms[signs[i]]; {
		case errors.Is(errs[i], unix.EINVAL), errs[i] != nil && gone(errs[i]): // a namespace of another kind, or unbound since
		case errs[i] != nil:
			w.closed, w.closing = append(w.closed, b), errs[i]
		case r != nil:
			r.file, r.inode = b.file, b.inode
		case signs[i] != w.own:
			w.realms[signs[i]] = &realm{sign: signs[i], inode: b.inode, file: b.file}
		}
	}
}

// sorted is all namespaces but the caller's, the oldest first: signs mostly grow.
func (w *world) sorted() []*realm {
	realms := make([]*realm, 0, len(w.realms))
	for _, r := range w.realms {
		realms = append(realms, r)
	}
	slices.SortFunc(realms, func(a, b *realm) int {
		if a.sign < b.sign {
			return -1
		}
		return 1
	})
	return realms
}
