package work

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/checkpoint"
	"onmux/scan/target"
	"onmux/scan/verdict"
)

// Segments is where a worker takes segments from. Its methods may be called from several
// goroutines; what cannot be reached is tried again until the context ends.
type Segments interface {
	// Scans is the IDs of the scans that are being made now.
	Scans(ctx context.Context) ([]string, error)

	// Changed delivers a value when a scan began or ended, or when that may have been missed.
	Changed() <-chan struct{}

	// Request is the request of a scan.
	Request(ctx context.Context, id string) ([]byte, error)

	// Take waits a moment for a segment in a queue of a scan, and is nil if there is none.
	Take(ctx context.Context, id, queue string) (Lease, error)

	// Store keeps a message of a scan; one with the same key is kept once.
	Store(ctx context.Context, id, key string, message []byte) error

	// Report makes known what the worker does. It is not tried again.
	Report(ctx context.Context, p Presence)
}

// Lease is a segment that nobody else works on, as long as it is extended in time.
type Lease interface {
	Segment() int
	Try() int                       // how often it was taken, this time included
	Extend() error                  // it is being worked on
	Done(ctx context.Context) error // its verdicts are stored
	Release() error                 // another worker may take it at once
}

// Scan scans a segment, whose Config lacks an engine, within the worker's own bounds.
type Scan func(ctx context.Context, r *Request, c scan.Config) (*checkpoint.Part, scan.Outcome, error)

// Worker takes segments and scans them.
type Worker struct {
	From   Segments
	Zone   string
	Rate   float64        // probes a second, at most; 0 is scan.DefaultRate
	Allow  []netip.Prefix // that may be asked; nil allows all
	Verify Verifier       // of signatures; nil takes requests without one
	Count  int            // segments after which it ends, of which Run keeps count; 0 is none
	Scan   Scan

	// Log receives what a person should know of. Taken, if set, receives what became of each segment,
	// and Ready is called when requesters can know of the worker.
	Log   func(text string)
	Taken func(id string, segment int, err error)
	Ready func()

	id     string
	turn   chan struct{} // held while a segment is taken and scanned
	enough context.CancelFunc
	doing  activity
}

const (
	presenceEvery = 5 * time.Second
	progressEvery = time.Second

	// scansEvery is how often the scans are looked up, should a change have been missed.
	scansEvery = 10 * time.Second

	// maxFailures is after how many tries a segment that cannot be scanned is unknown.
	maxFailures = 3

	storeTimeout = 10 * time.Second // of one attempt
)

// Run takes segments until the context ends, or the worker has scanned Count of them. A segment
// that it works on then goes to another worker.
func (w *Worker) Run(ctx context.Context) error {
	ctx, w.enough = context.WithCancel(ctx)
	defer w.enough()
	w.id, w.turn = newWorkerID(), make(chan struct{}, 1)
	w.doing.change(func(p *Presence) { *p = Presence{Worker: w.id, Zone: w.Zone, Speed: w.speed(0)} })
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { w.present(ctx) })
	live := make(map[string]context.CancelFunc)
	defer func() {
		for _, stop := range live {
			stop()
		}
	}()
	for ctx.Err() == nil {
		ids, err := w.From.Scans(ctx)
		for id, stop := range live {
			if err == nil && !slices.Contains(ids, id) {
				stop()
				delete(live, id)
			}
		}
		for _, id := range ids {
			if live[id] == nil && isScanID(id) {
				var of context.Context
				of, live[id] = context.WithCancel(ctx)
				running.Go(func() { w.work(of, id) })
			}
		}
		pause := scansEvery
		if err != nil {
			pause = progressEvery
		}
		select {
		case <-w.From.Changed():
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// speed is how many probes a second the worker sends at most, if it is asked for so many.
func (w *Worker) speed(asked float64) float64 {
	own := w.Rate
	if own == 0 {
		own = scan.DefaultRate
	}
	if asked > 0 {
		own = min(own, asked)
	}
	return min(own, math.MaxInt32) // no limit cannot be written as JSON
}

// present reports that the worker is there, and what it does.
func (w *Worker) present(ctx context.Context) {
	for first := true; ; first = false {
		p := w.doing.now()
		w.From.Report(ctx, p)
		if first && w.Ready != nil {
			w.Ready()
		}
		every := presenceEvery
		if p.Scan != "" {
			every = progressEvery
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			p.Left = true
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			w.From.Report(last, p)
			cancel()
			return
		}
	}
}

// work takes the segments of a scan until its context ends.
func (w *Worker) work(ctx context.Context, id string) {
	r, err := w.request(ctx, id)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		w.Log(fmt.Sprintf("scan %s is refused: %v", id, err))
		return
	}
	queue := r.queue(w.Zone)
	if queue == "" {
		return
	}
	order := target.NewOrder(r.Plan.Len(), r.Seed)
	for ctx.Err() == nil {
		select {
		case w.turn <- struct{}{}:
		case <-ctx.Done():
			return
		}
		lease, err := w.From.Take(ctx, id, queue)
		if err == nil && lease != nil && ctx.Err() == nil {
			w.lease(ctx, r, order, lease)
		}
		<-w.turn
		if err != nil {
			wait(ctx, progressEvery)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// request reads a scan's request, and decides whether it is served.
func (w *Worker) request(ctx context.Context, id string) (*Request, error) {
	var data []byte
	for {
		var err error
		if data, err = w.From.Request(ctx, id); err == nil {
			break
		}
		if wait(ctx, progressEvery); ctx.Err() != nil {
			return nil, err
		}
	}
	r, err := Decode(data, w.Verify)
	switch {
	case err != nil:
		return nil, err
	case r.ID != id:
		return nil, fmt.Errorf("it is the request of %s", r.ID)
	}
	return r, r.fresh(time.Now())
}

// lease scans a segment, keeps its lease meanwhile, stores the verdicts and acknowledges it.
func (w *Worker) lease(ctx context.Context, r *Request, order *target.Order, l Lease) {
	n := l.Segment()
	if n < 0 || n >= r.Segments() {
		w.Log(fmt.Sprintf("scan %s has no segment %d", r.ID, n))
		return
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var extending sync.WaitGroup
	defer extending.Wait()
	defer stop()
	extending.Go(func() {
		pause := r.Lease / 4
		for {
			if wait(ctx, pause); ctx.Err() != nil {
				return
			}
			pause = r.Lease / 4
			if l.Extend() != nil { // if that lasts, another worker scans it too, which does no harm
				pause = min(pause, progressEvery)
			}
		}
	})
	w.doing.change(func(p *Presence) { p.Scan, p.Segment, p.Share, p.Open = r.ID, n, 0, 0 })
	err := w.scanAndStore(ctx, r, order, l)
	w.doing.change(func(p *Presence) { p.Scan, p.Segment, p.Share, p.Rate, p.Open = "", 0, 0, 0, 0 })
	if err != nil {
		_ = l.Release() // or its lease runs out
	}
	if w.Taken != nil {
		w.Taken(r.ID, n, err)
	}
	if err == nil {
		if w.Count--; w.Count == 0 {
			w.enough()
		}
	} else if ctx.Err() == nil {
		w.Log(fmt.Sprintf("segment %d of scan %s: %v", n, r.ID, err))
		wait(ctx, progressEvery)
	}
}

func (w *Worker) scanAndStore(ctx context.Context, r *Request, order *target.Order, l Lease) error {
	n := l.Segment()
	part, outcome, err := w.Scan(ctx, r, w.config(r, n))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && l.Try() < maxFailures {
		return err
	}
	if err != nil {
		part, outcome = unknown(r.Segment(n), err), scan.Outcome{}
	}
	h := answerHead{Summary: outcome.Summary}
	for _, found := range slices.Concat(outcome.Notes, outcome.Coverage) {
		if slices.Contains(passedOn, found.Kind) {
			h.Notes = append(h.Notes, sent(found))
		}
	}
	body, err := encodeAnswer(h, part, r.Plan)
	if err != nil {
		return err
	}
	of := chunk{zone: w.Zone, segment: n, try: l.Try(), worker: w.id}
	for _, c := range split(of, body) {
		if err := w.store(ctx, r.ID, c); err != nil {
			return err
		}
	}
	if err := l.Done(ctx); err != nil {
		w.Log(fmt.Sprintf("segment %d of scan %s could not be acknowledged: %v", n, r.ID, err))
	}
	return nil
}

// store stores a chunk, for as long as its scan goes on.
func (w *Worker) store(ctx context.Context, id string, c *chunk) error {
	for {
		limited, cancel := context.WithTimeout(ctx, storeTimeout)
		err := w.From.Store(limited, id, c.id(id), c.encode())
		cancel()
		if err == nil || errors.Is(err, ErrEnded) {
			return err
		}
		if wait(ctx, progressEvery); ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// ErrEnded is the error of a scan that is over.
var ErrEnded = errors.New("the scan has ended")

// config is how a segment is scanned.
func (w *Worker) config(r *Request, n int) scan.Config {
	c := scan.Config{
		Plan: r.Plan, Seed: r.Seed, Shard: r.Segment(n), Retries: r.Retries, Timeout: r.Timeout, Bound: r.share(n),
		Rate: w.speed(r.Rate), NetRate: r.NetRate, Part: new(checkpoint.Part),
		FollowUp: scan.FollowUp{Identify: r.Identify, Verify: r.Verify},
		Watch: func(p scan.Progress) {
			w.doing.change(func(d *Presence) {
				d.Share, d.Rate, d.Open = min(float64(p.Done)/float64(max(p.Total, 1)), 1), p.Rate, p.Open
			})
		},
	}
	c.Controls.Endpoints = slices.DeleteFunc(slices.Clone(r.Controls), func(e probe.Endpoint) bool {
		return w.Allow != nil && w.allows(e.Addr) != nil
	})
	if w.Allow != nil {
		c.Allow = w.allows
	}
	return c
}

// allows is an error if an address must not be asked.
func (w *Worker) allows(a netip.Addr) error {
	for _, p := range w.Allow {
		if p.Contains(a.Unmap().WithZone("")) {
			return nil
		}
	}
	return fmt.Errorf("the worker in zone %s may not ask this address (--allow)", w.Zone)
}

// unknown is a segment of which nothing could be found out.
func unknown(s target.Shard, why error) *checkpoint.Part {
	p := &checkpoint.Part{
		From:  s.Lo,
		Cells: slices.Repeat([]verdict.Cell{verdict.CellOf(verdict.LocalError, 0)}, int(s.Hi-s.Lo)),
	}
	p.Remarks = []checkpoint.Remark{{From: s.Lo, To: s.Hi, Error: why.Error()}}
	return p
}

// ScanSegment runs the scan of a segment, and returns what is known of it. Answers that are kept
// pass through found first.
func ScanSegment(
	ctx context.Context, c scan.Config, found func(*probe.Result),
) (*checkpoint.Part, scan.Outcome, error) {
	var open []checkpoint.Answer
	o, err := scan.Run(ctx, c, func(f scan.Finding) error {
		r, ok := f.(probe.Result)
		if i, known := c.Plan.Index(r.Endpoint); ok && known {
			found(&r)
			open = append(open, checkpoint.Answer{Index: i, Result: &r})
		}
		return nil
	})
	if err == nil && ctx.Err() == nil && slices.Contains(c.Part.Cells, 0) {
		err = errors.New("not every endpoint was asked")
	}
	for _, a := range c.Part.Answers {
		a.Endpoint = c.Plan.At(a.Index)
		found(a.Result)
	}
	c.Part.Answers = append(c.Part.Answers, open...)
	return c.Part, o, err
}
