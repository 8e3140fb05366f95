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
	"onmux/probe/farend"
	"onmux/probe/recog"
)

const (
	// DefaultTimeout covers the kernel's SYNs after one and three seconds, and a router
	// that resolves a host on its link for three seconds before it reports that there is none.
	DefaultTimeout = 4 * time.Second

	// parallel is how many endpoints are probed side by side.
	parallel = 64

	// Routers answer few packets a second that ended with them, so few paths are traced
	// at the same time, as most go through the same ones.
	pathParallel = 2
	hopTimeout   = time.Second

	// udpHead is the time that a UDP port has to answer the request of its own number
	// before it is sent others.
	udpHead = 300 * time.Millisecond
)

// Config is what is to be found out about every endpoint. The zero value is the state
// alone.
type Config struct {
	// Timeout bounds one attempt, and identifying a service; 0 means DefaultTimeout, and service.DefaultTimeout.
	Timeout  time.Duration
	Identify bool                // the service, if the endpoint is open
	Thorough bool                // by every request, if need be
	StartTLS bool                // the certificate behind STARTTLS
	Verify   bool                // whether open is more than an answer
	Path     bool                // the routers on the way
	Library  *recog.Library      // identifies more software; nil is none
	FarEnd   *farend.Key         // of the listener that must answer there; nil is none
	Local    probe.Local         // from where attempts are made
	Progress func(done, all int) // how far Run is; may be nil
	Judged   func(probe.Result)  // called by Run for each endpoint when it is known, in any order; may be nil
}

// Inquiry probes endpoints. Its methods may be called at the same time.
type Inquiry struct {
	Config
	identifyTimeout time.Duration // 0: that of package service
	paths           chan struct{} // bounds how many are traced at the same time
}

// New returns an Inquiry that finds out what c demands.
func New(c Config) *Inquiry {
	q := &Inquiry{Config: c, identifyTimeout: c.Timeout, paths: make(chan struct{}, pathParallel)}
	q.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	return q
}

// Run probes every endpoint, many at a time, and yields the results in order, each with
// the context's error if its end cut off something: the facts state what, and one that
// was not judged at all has no tries. What is known of an endpoint beforehand (Host,
// Lookup, Notes) stays with it.
func (q *Inquiry) Run(ctx context.Context, endpoints []probe.Result) iter.Seq2[probe.Result, error] {
	type answer struct {
		probe.Result
		cut error
	}
	return func(yield func(probe.Result, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		results := make([]chan answer, len(endpoints))
		for i := range results {
			results[i] = make(chan answer, 1)
		}
		var next atomic.Int64
		var workers sync.WaitGroup
		for range min(parallel, len(endpoints)) {
			workers.Go(func() {
				for i := next.Add(1) - 1; i < int64(len(endpoints)); i = next.Add(1) - 1 {
					r, err := q.one(ctx, endpoints[i])
					if q.Judged != nil && r.Tries > 0 {
						q.Judged(r)
					}
					results[i] <- answer{r, err}
				}
			})
		}
		defer workers.Wait()
		defer cancel()
		byName := make(families)
		for i, c := range results {
			r := <-c
			byName.compare(&r.Result)
			if q.Progress != nil {
				q.Progress(i+1, len(endpoints))
			}
			if !yield(r.Result, r.cut) {
				return
			}
		}
	}
}

// one probes an endpoint and adds the details.
func (q *Inquiry) one(ctx context.Context, r probe.Result) (probe.Result, error) {
	k := new(known)
	defer k.close()
	answer, err := q.attempt(ctx, r, func(ctx context.Context, e probe.Endpoint, o probe.Options) (probe.Result, error) {
		return q.identifying(ctx, e, o, k)
	})
	if err != nil {
		return r, err
	}
	return q.addDetails(ctx, answer, k)
}

// addDetails adds to a verdict what needs more than one attempt. The state changes only if the
// endpoint stops answering; the error is the context's, if there was no time for all of it.
func (q *Inquiry) addDetails(ctx context.Context, r probe.Result, k *known) (probe.Result, error) {
	var cut error
	note := func(part probe.Part, err error) {
		switch {
		case err == nil:
		case ctx.Err() != nil:
			cut = ctx.Err()
			addFact(&r, probe.Fact{Kind: probe.FactNoTime, Part: part})
		default:
			addFact(&r, probe.Fact{Kind: probe.FactNotFound, Part: part, Text: err.Error()})
		}
	}
	if q.FarEnd != nil {
		note(probe.PartFarEnd, q.askFarEnd(ctx, &r))
	}
	if q.Identify && r.Service == nil && r.State == probe.Open {
		note(probe.PartService, q.identify(ctx, &r, k))
	}
	if q.Verify {
		note(probe.PartVerify, q.verify(ctx, &r))
	}
	if q.Path {
		note(probe.PartPath, q.addPath(ctx, &r))
	}
	return r, cut
}

// addFact adds to the facts of a copy of a Result.
func addFact(r *probe.Result, f ...probe.Fact) { r.Facts = slices.Concat(r.Facts, f) }

// attempt repeats an attempt until the endpoint is judged: running out of something local
// is not a verdict on it. The error is the context's.
func (q *Inquiry) attempt(ctx context.Context, r probe.Result, do attemptFunc) (probe.Result, error) {
	o := probe.Options{Timeout: q.Timeout, Evidence: true, Resend: true, Accepted: leave, Local: q.Local}
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		answer, err := do(ctx, r.Endpoint, o)
		if errors.Is(err, probe.ErrBusy) && pause > time.Second {
			answer, err = probe.Result{Endpoint: r.Endpoint, State: probe.Unknown, Reason: probe.LocalError, Tries: 1,
				Error: err.Error()}, nil
		} else if errors.Is(err, probe.ErrBusy) && probe.Sleep(ctx, pause) == nil {
			continue
		} else if err != nil {
			return r, cmp.Or(ctx.Err(), err)
		}
		answer.Origin = r.Origin
		answer.Notes = slices.Concat(r.Notes, answer.Notes)
		return answer, nil
	}
}
