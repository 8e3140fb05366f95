package watch

import (
	"context"
	"time"

	"onmux/probe/local/socket"
)

// Bounds of the pause between two lists: share times what a list took.
const (
	minPause = 100 * time.Millisecond
	maxPause = 5 * time.Second
	share    = 150
)

// Change is a socket that began or stopped listening.
type Change struct {
	Began  bool
	Time   time.Time // when it was noticed
	Socket socket.Socket
}

// Watcher finds sockets that begin and stop listening, in the network namespace of the
// thread that calls its methods. It is for one goroutine.
type Watcher struct {
	lister  *socket.Lister
	known   map[ID]*listener
	round   uint64
	began   []socket.Socket // in this list
	destroy *destroyed      // nil: the kernel does not report the end of sockets
}

// ID distinguishes sockets: by the kernel's cookie, or where that is not known by what is.
type ID struct {
	cookie uint64
	holder uint64
	local  string
}

// listener is a socket that listens.
type listener struct {
	socket.Socket
	round uint64 // of the last list that had it
}

// New lists the sockets that listen at the ports of a query, and returns them.
func New(ctx context.Context, q socket.Query) (*Watcher, []socket.Socket, error) {
	w := &Watcher{lister: socket.NewLister(q), known: make(map[ID]*listener)}
	w.destroy = listenDestroyed() // before the list: no end is missed
	if _, err := w.list(ctx); err != nil {
		w.Close()
		return nil, nil, err
	}
	return w, w.began, nil
}

// Close ends the watch.
func (w *Watcher) Close() { w.destroy.close() }

// Listening is how many sockets listen.
func (w *Watcher) Listening() int { return len(w.known) }

// Run calls emit with what changes, until the context ends or emit fails; what changes
// together comes together. The error is emit's, or that of a list: the end of the context
// is none.
func (w *Watcher) Run(ctx context.Context, emit func([]Change) error) error {
	pause := minPause
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		var changes []Change
		select {
		case <-ctx.Done():
			return nil
		case cookies := <-w.destroy.events():
			changes = w.ended(cookies)
		case <-timer.C:
			begun := time.Now()
			var err error
			if changes, err = w.list(ctx); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			pause = min(max(share*time.Since(begun), minPause), maxPause)
			timer.Reset(pause)
		}
		if len(changes) > 0 {
			if err := emit(changes); err != nil {
				return err
			}
		}
	}
}

// list compares the sockets that listen with those that are known.
func (w *Watcher) list(ctx context.Context) (changes []Change, err error) {
	w.round++
	w.began = w.began[:0]
	whole, err := w.lister.Each(ctx, w.see)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if whole {
		for key, l := range w.known {
			if l.round != w.round {
				changes = append(changes, Change{Time: now, Socket: l.Socket})
				delete(w.known, key)
			}
		}
	}
	socket.NameDevices(w.began)
	for _, s := range w.began {
		w.known[IDOf(s)].Socket = s
		changes = append(changes, Change{Began: true, Time: now, Socket: s})
	}
	return changes, nil
}

func (w *Watcher) see(s socket.Socket) {
	key := IDOf(s)
	l := w.known[key]
	if l == nil {
		l = new(listener)
		w.known[key] = l
		w.began = append(w.began, s)
	}
	l.round = w.round
}

// IDOf is made without an allocation where there is a cookie: a list may have thousands.
func IDOf(s socket.Socket) ID {
	if c := s.Cookie(); c != 0 {
		return ID{cookie: c}
	}
	return ID{holder: s.Holder, local: s.Local.String()}
}

// ended removes sockets that the kernel reports as destroyed.
func (w *Watcher) ended(cookies []uint64) (changes []Change) {
	now := time.Now()
	for _, c := range cookies {
		if l := w.known[ID{cookie: c}]; l != nil {
			changes = append(changes, Change{Time: now, Socket: l.Socket})
			delete(w.known, ID{cookie: c})
		}
	}
	return changes
}
