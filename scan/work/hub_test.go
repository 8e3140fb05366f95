package work

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"sync"
	"time"
)

// hub carries scans in memory, as badly as it is allowed to: messages come twice and late, and it
// is away for a while. Its time is the time package's.
type hub struct {
	mu       sync.Mutex
	dice     *rand.Rand
	id       string
	request  []byte
	lease    time.Duration
	waiting  map[string][]delivery // by queue
	taken    map[*delivered]bool
	stored   [][]byte
	present  map[string]Presence
	changed  map[chan struct{}]bool
	awayTill time.Time
	ended    bool

	double float64 // share of messages that come twice
	delay  time.Duration
}

type delivery struct{ segment, tries int }

// delivered is a segment that a worker has.
type delivered struct {
	of    *hub
	link  *link
	queue string
	delivery
	until time.Time
}

func newHub(seed uint64) *hub {
	return &hub{
		dice: rand.New(rand.NewPCG(seed, 17)), waiting: make(map[string][]delivery), taken: make(map[*delivered]bool),
		present: make(map[string]Presence), changed: make(map[chan struct{}]bool),
	}
}

var errAway = errors.New("the server does not answer")

// call runs f under the lock, unless the server is away.
func (h *hub) call(f func() error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Now().Before(h.awayTill) {
		return errAway
	}
	return f()
}

// away has the server not answer for a while.
func (h *hub) away(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.awayTill = time.Now().Add(d)
}

func (h *hub) wake() {
	for c := range h.changed {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (h *hub) Begin(_ context.Context, r *Request, encoded []byte, queues []string) error {
	return h.call(func() error {
		h.id, h.request, h.lease = r.ID, encoded, r.Lease
		for _, name := range queues {
			for n := range r.Segments() {
				h.waiting[name] = append(h.waiting[name], delivery{n, 0})
			}
		}
		h.wake()
		return nil
	})
}

func (h *hub) Request(_ context.Context, id string) (data []byte, err error) {
	return h.request, h.call(func() error {
		if id != h.id || h.ended {
			return ErrEnded
		}
		return nil
	})
}

func (h *hub) Stored(ctx context.Context, _ string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for next := 0; ctx.Err() == nil; {
			var data []byte
			err := h.call(func() error {
				if next < len(h.stored) {
					data = h.stored[next]
				}
				return nil
			})
			if err != nil || data == nil {
				wait(ctx, 100*time.Millisecond)
				continue
			}
			next++
			if !yield(data, nil) {
				return
			}
		}
	}
}

func (h *hub) Present(context.Context) (all []Presence, err error) {
	err = h.call(func() error {
		for _, p := range h.present {
			all = append(all, p)
		}
		return nil
	})
	return all, err
}

func (h *hub) Reports(context.Context) <-chan Presence { return nil }

func (h *hub) End(context.Context, string) error {
	return h.call(func() error {
		h.ended = true
		h.wake()
		return nil
	})
}

// link is one worker's connection, which ends when the worker is killed.
type link struct {
	*hub
	notice chan struct{}
	dead   bool // under hub.mu
}

func (h *hub) connect() *link {
	l := &link{hub: h, notice: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed[l.notice] = true
	return l
}

// kill cuts the connection: nothing that the worker does from then on arrives.
func (l *link) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	delete(l.changed, l.notice)
}

// do is call, after the time that a message takes.
func (l *link) do(f func() error) error {
	l.mu.Lock()
	late := time.Duration(l.dice.Int64N(int64(l.delay) + 1))
	l.mu.Unlock()
	time.Sleep(late)
	return l.call(func() error {
		if l.dead {
			return errAway
		}
		return f()
	})
}

func (l *link) Scans(context.Context) (ids []string, err error) {
	err = l.do(func() error {
		if l.id != "" && !l.ended {
			ids = []string{l.id}
		}
		return nil
	})
	return ids, err
}

func (l *link) Changed() <-chan struct{} { return l.notice }

func (l *link) Take(ctx context.Context, _, queue string) (lease Lease, err error) {
	err = l.do(func() error {
		for d := range l.taken { // whose time has run out
			if time.Now().After(d.until) {
				delete(l.taken, d)
				l.waiting[d.queue] = append(l.waiting[d.queue], d.delivery)
			}
		}
		all := l.waiting[queue]
		if len(all) == 0 {
			return nil
		}
		d := &delivered{l.hub, l, queue, all[0], time.Now().Add(l.lease)}
		d.tries++
		l.waiting[queue] = all[1:]
		l.taken[d] = true
		lease = d
		return nil
	})
	if lease == nil && err == nil {
		wait(ctx, time.Second)
	}
	return lease, err
}

func (l *link) Store(_ context.Context, _, _ string, message []byte) error {
	return l.do(func() error {
		l.stored = append(l.stored, message)
		if l.dice.Float64() < l.double {
			l.stored = append(l.stored, message)
		}
		return nil
	})
}

func (l *link) Report(_ context.Context, p Presence) {
	_ = l.do(func() error { l.present[p.Worker] = p; return nil })
}

func (d *delivered) Segment() int { return d.segment }
func (d *delivered) Try() int     { return d.tries }

// still does f if the segment is this worker's still.
func (d *delivered) still(f func()) error {
	return d.link.do(func() error {
		if d.of.taken[d] {
			f()
		}
		return nil
	})
}

func (d *delivered) Extend() error { return d.still(func() { d.until = time.Now().Add(d.of.lease) }) }

func (d *delivered) Done(context.Context) error { return d.still(func() { delete(d.of.taken, d) }) }

func (d *delivered) Release() error { return d.still(func() { d.until = time.Time{} }) }
