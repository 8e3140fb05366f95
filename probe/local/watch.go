package local

import (
	"context"
	"time"

	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
	"onmux/probe/local/watch"
)

// Event is a socket that began or stopped listening while it was watched, and the record
// of type "event".
type Event struct {
	Time  time.Time `json:"time"` // when it was noticed
	Event EventKind `json:"event"`
	Listener
}

// EventKind is what happened.
type EventKind string

// The kinds.
const (
	Began   EventKind = "began"
	Stopped EventKind = "stopped"
)

// EventKinds lists them all.
func EventKinds() []EventKind { return []EventKind{Began, Stopped} }

// Kind names the record's type in documents.
func (Event) Kind() string { return "event" }

// Watcher watches which sockets of the calling thread's network namespace listen.
type Watcher struct {
	*watch.Watcher
	request Request
	holders map[watch.ID]Listener // what is known of those that listen
}

// NewWatcher begins to watch the ports of a request, or all of its protocols.
func NewWatcher(ctx context.Context, r Request) (*Watcher, error) {
	q, err := newQuery(r)
	if err != nil {
		return nil, err
	}
	watcher, listening, err := watch.New(ctx, q.Query)
	if err != nil {
		return nil, err
	}
	w := &Watcher{Watcher: watcher, request: r, holders: make(map[watch.ID]Listener)}
	if err := w.describe(ctx, listening); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// describe finds the owners of sockets.
func (w *Watcher) describe(ctx context.Context, sockets []socket.Socket) error {
	if len(sockets) == 0 {
		return nil
	}
	o := owner.Owners{Users: make(owner.Users)}
	if w.request.Owners {
		var err error
		if o, err = owner.Find(ctx, sockets, w.request.Unmask); err != nil {
			return err
		}
	}
	for _, s := range sockets {
		l := newListener(s, o)
		l.NetNS = ownName
		w.holders[watch.IDOf(s)] = l
	}
	return nil
}

// Run calls emit with each event until the context ends, which is no error, or emit fails.
func (w *Watcher) Run(ctx context.Context, emit func(Event) error) error {
	return w.Watcher.Run(ctx, func(changes []watch.Change) error {
		var began []socket.Socket
		for _, c := range changes {
			if c.Began {
				began = append(began, c.Socket)
			}
		}
		if err := w.describe(ctx, began); err != nil {
			return nil // the context has ended
		}
		for _, c := range changes {
			e := Event{Time: c.Time.UTC(), Event: Stopped, Listener: w.holders[watch.IDOf(c.Socket)]}
			if c.Began {
				e.Event = Began
			} else {
				delete(w.holders, watch.IDOf(c.Socket))
			}
			if err := emit(e); err != nil {
				return err
			}
		}
		return nil
	})
}
