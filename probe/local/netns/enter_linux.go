package netns

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// forEach calls f for 0 to n-1, at several threads at a time, each with a sockDiag
// of its own. The threads serve for nothing else: f may leave them in whatever
// namespace it likes.
func forEach(ctx context.Context, n int, f func(diag *socket.Diag, i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		workers.Go(func() {
			apart(func() {
				diag := socket.NewDiag()
				diag.States = socket.HeldStates
				for ctx.Err() == nil {
					i := int(next.Add(1) - 1)
					if i >= n {
						break
					}
					f(diag, i)
				}
			})
		})
	}
	workers.Wait()
}

// apart runs f on a thread that ends with f, because its goroutine stays locked
// to it (runtime.LockOSThread). The first thread of the process cannot end, and
// all of /proc/self is about it: f does not run on it.
func apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			apart(f)
			runtime.UnlockOSThread()
			return
		}
		f()
	}()
	<-done
}

// enter moves the calling thread into the network namespace behind a file.
func enter(file string) error {
	fd, err := unix.Open(file, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Setns(fd, unix.CLONE_NEWNET)
}

// read reads a namespace: from inside, or else what /proc has of a process that
// is there. One that went away meanwhile is no error.
func (w *nsScan) read(ctx context.Context, q socket.Query, addrs bool, diag *socket.Diag, r *netNS) {
	ways := make([]string, 0, maxProcesses+1)
	if r.file != "" {
		ways = append(ways, r.file)
	}
	for _, pid := range r.pids {
		ways = append(ways, w.Path(pid, owner.NSFile))
	}
	inside := []socket.Reader{diag, socket.ProcNet{Dir: w.Root + "/thread-self/net"}}
	var refused error
	for _, way := range ways {
		err := enter(way)
		if err == nil {
			if w.is("thread-self", r.nsid) {
				if r.read(ctx, q, inside); addrs {
					r.addrs = socket.OwnAddrs()
				}
				return
			}
			continue // what it led to is gone
		}
		if !owner.IsGone(err) {
			refused = err
		}
	}
	for _, pid := range r.pids {
		process := strconv.Itoa(pid)
		if !w.is(process, r.nsid) {
			continue
		}
		r.read(ctx, q, []socket.Reader{socket.ProcNet{Dir: w.Root + "/" + process + "/net"}})
		if r.err == nil || w.is(process, r.nsid) {
			return
		}
		r.table, r.err = nil, nil // it ended while it was read
	}
	r.err, r.gone = refused, refused == nil || len(r.pids) > 0
}

// is reports whether a process is in a namespace.
func (w *nsScan) is(process string, s owner.NSID) bool {
	now, err := w.id(process)
	return err == nil && now == s
}

// read takes the sockets from the first reader that has them all.
func (r *netNS) read(ctx context.Context, q socket.Query, readers []socket.Reader) {
	survey := socket.ReadAny(ctx, q, readers...)
	r.table, r.err = survey.Table, nil
	for _, s := range survey.Sources {
		r.err = cmp.Or(r.err, s.Err)
		r.noBound = r.noBound || s.NoBound
	}
}

// denied reports whether more privileges would help.
func denied(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
}
