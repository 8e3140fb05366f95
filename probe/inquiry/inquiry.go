package inquiry

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"onmux/probe"
	"onmux/probe/recog"
	"onmux/probe/service"
)

const (
	// DefaultTimeout covers the kernel's SYNs after one and three seconds, and a router
	// that looks for a host on its link for three before it says that there is none.
	DefaultTimeout = 4 * time.Second

	// parallel is how many endpoints are asked side by side.
	parallel = 64

	// Routers tell of few packets a second that ended with them, so few paths are
	// looked at together, as most go through the same ones.
	pathParallel = 2
	hopTimeout   = time.Second

	// udpHead is the time that a UDP port has to answer the question of its own
	// number before it is asked others.
	udpHead = 300 * time.Millisecond
)

// Config is what every endpoint is asked. The zero value asks for the state alone.
type Config struct {
	Timeout  time.Duration       // of one attempt; 0 means DefaultTimeout
	Identify bool                // what speaks on it, if it is open
	Verify   bool                // whether open is more than an answer
	Path     bool                // who hands packets on to it
	Library  *recog.Library      // names more software; nil is none
	Watch    func(done, all int) // how far Ask is; nil where nobody looks
}

// Inquiry asks endpoints. Its methods may be called at the same time.
type Inquiry struct {
	Config
	paths chan struct{} // bounds how many are followed together
}

// New is an Inquiry that asks what c says.
func New(c Config) *Inquiry {
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	return &Inquiry{Config: c, paths: make(chan struct{}, pathParallel)}
}

// Ask asks every endpoint, many at a time, and yields the results in order, each with
// the context's error if its end cut off something that was to be asked: the notes say
// what, and one that was not judged at all has no tries. What is known of an endpoint
// beforehand (Host, Lookup, Notes) stays with it.
func (q *Inquiry) Ask(ctx context.Context, asked []probe.Result) iter.Seq2[probe.Result, error] {
	type answer struct {
		probe.Result
		cut error
	}
	return func(yield func(probe.Result, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		results := make([]chan answer, len(asked))
		for i := range results {
			results[i] = make(chan answer, 1)
		}
		var next atomic.Int64
		var workers sync.WaitGroup
		for range min(parallel, len(asked)) {
			workers.Go(func() {
				for i := next.Add(1) - 1; i < int64(len(asked)); i = next.Add(1) - 1 {
					r, err := q.one(ctx, asked[i])
					results[i] <- answer{r, err}
				}
			})
		}
		defer workers.Wait()
		defer cancel()
		against := make(families)
		for i, c := range results {
			r := <-c
			against.compare(&r.Result)
			if q.Watch != nil {
				q.Watch(i+1, len(asked))
			}
			if !yield(r.Result, r.cut) {
				return
			}
		}
	}
}

// one asks an endpoint and, if it is open, what speaks there.
func (q *Inquiry) one(ctx context.Context, r probe.Result) (probe.Result, error) {
	answer, err := q.attempt(ctx, r, q.askNaming)
	if err != nil {
		return r, err
	}
	return q.complete(ctx, answer)
}

// complete adds to a verdict what takes more than the question for it. None of that
// changes the state; the error is the context's, if there was no time for all of it.
func (q *Inquiry) complete(ctx context.Context, r probe.Result) (probe.Result, error) {
	var cut error
	owe := func(what string, err error) {
		switch {
		case err == nil:
		case ctx.Err() != nil:
			cut = ctx.Err()
			r.Notes = append(slices.Clone(r.Notes), "there was no time to find out "+what)
		default:
			r.Notes = append(slices.Clone(r.Notes), what+" could not be found out: "+err.Error())
		}
	}
	if q.Identify && r.Service == nil && r.State == probe.Open {
		var err error
		r.Service, err = service.Identify(ctx, r.Endpoint, service.Options{Host: r.Host, RTT: time.Duration(r.RTT),
			Library: q.Library})
		owe("what speaks there", err)
	}
	if q.Verify {
		owe("whether it is a service", q.doubt(ctx, &r))
	}
	if q.Path {
		owe("the path", q.follow(ctx, &r))
	}
	return r, cut
}

// attempt asks an endpoint until it is judged: running out of something local
// says nothing about it. The error is the context's.
func (q *Inquiry) attempt(ctx context.Context, r probe.Result, ask asker) (probe.Result, error) {
	o := probe.Options{Timeout: q.Timeout, Evidence: true, Resend: true}
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		answer, err := ask(ctx, r.Endpoint, o)
		if errors.Is(err, probe.ErrBusy) && pause > time.Second {
			answer, err = probe.Result{Endpoint: r.Endpoint, State: probe.Unknown, Reason: probe.LocalError, Tries: 1,
				Error: err.Error()}, nil
		} else if errors.Is(err, probe.ErrBusy) && sleep(ctx, pause) {
			continue
		} else if err != nil {
			return r, cmp.Or(ctx.Err(), err)
		}
		answer.Host, answer.Lookup, answer.NAT64 = r.Host, r.Lookup, r.NAT64
		answer.Notes = slices.Concat(r.Notes, answer.Notes)
		return answer, nil
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
