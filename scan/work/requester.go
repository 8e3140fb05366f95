package work

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/checkpoint"
	"onmux/scan/target"
)

// Requests is where a requester puts scans. Its methods may be called from several goroutines;
// what cannot be reached is tried again until the context ends, unless a method states otherwise.
type Requests interface {
	// Begin keeps a request, puts its segments into the queues and makes it known, in this order: a
	// scan that is known can be continued by another requester. It is not tried again.
	Begin(ctx context.Context, r *Request, encoded []byte, queues []string) error

	// Request is the request of a scan; ErrEnded if there is none with that ID.
	Request(ctx context.Context, id string) ([]byte, error)

	// Stored yields the messages that workers stored of a scan, from the first on, and waits for more;
	// an error ends it.
	Stored(ctx context.Context, id string) iter.Seq2[[]byte, error]

	// Present is what workers reported last, of those that are there. It is not tried again.
	Present(ctx context.Context) ([]Presence, error)

	// Reports delivers what workers report from now on, until the context ends. A reader that is slow
	// misses some.
	Reports(ctx context.Context) <-chan Presence

	// End removes a scan: workers stop.
	End(ctx context.Context, id string) error
}

// Progress is how far a scan is.
type Progress struct {
	Zones   int     `json:"zones"`
	Workers int     `json:"workers"` // that work on it now
	Rate    float64 `json:"rate"`    // probes a second, of all of them
	Share   float64 `json:"share"`   // of the scan that is done, 0 to 1
	Open    uint64  `json:"open"`
	ETA     time.Duration
}

// Requester makes a scan by workers.
type Requester struct {
	At    Requests
	Sign  Signer   // may be nil
	Zones []string // that each ask everything; nil divides the work, AllZones is every zone with a worker
	All   bool     // a record for every endpoint

	// Log receives what a person should know of, and Watch, if set, how far the scan is.
	Log   func(text string)
	Watch func(Progress)

	Lease time.Duration // how long a worker may be silent; 0 is DefaultLease

	request *Request
}

// ErrNoZone is why a scan from all zones is impossible.
var ErrNoZone = errors.New("no zone has a worker")

// presentTimeout bounds the time to find out who is there.
const presentTimeout = 10 * time.Second

// Begin puts a scan's segments where workers take them from, and returns its ID.
func (q *Requester) Begin(ctx context.Context, plan *target.Plan, s Settings) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, presentTimeout)
	defer cancel()
	workers, err := q.At.Present(ctx)
	if err != nil {
		return "", err
	}
	zones := q.Zones
	if slices.Equal(zones, []string{AllZones}) {
		if zones = zonesOf(workers); len(zones) == 0 {
			return "", ErrNoZone
		}
	}
	zones = slices.Compact(slices.Sorted(slices.Values(zones)))
	lease := cmp.Or(q.Lease, DefaultLease)
	r := &Request{
		Head: Head{
			Version: version, ID: NewID(), Created: time.Now().UTC().Round(0), Zones: zones, Settings: s, Lease: lease,
		},
		Plan: plan, Cuts: division(plan.Len(), workers, zones, s.Rate),
	}
	if !r.valid() {
		return "", errInvalid
	}
	encoded, err := r.Encode(q.Sign)
	if err != nil {
		return "", err
	}
	for _, zone := range zones {
		if !slices.ContainsFunc(workers, func(p Presence) bool { return p.Zone == zone }) {
			q.Log(fmt.Sprintf("zone %s has no worker yet", zone))
		}
	}
	if zones == nil && len(workers) == 0 {
		q.Log("no worker is there yet")
	}
	q.request = r
	return r.ID, q.At.Begin(ctx, r, encoded, r.queues())
}

// zonesOf are the zones of workers, sorted.
func zonesOf(workers []Presence) []string {
	names := make(map[string]bool)
	for _, p := range workers {
		names[p.Zone] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// division is where the segments of a scan begin, by the workers that share them: those of the zone
// that needs the smallest.
func division(n uint64, workers []Presence, zones []string, rate float64) (cuts []uint64) {
	groups := [][]float64{nil}
	for range max(len(zones)-1, 0) {
		groups = append(groups, nil)
	}
	for _, p := range workers {
		group := 0
		if zones != nil {
			group = slices.Index(zones, p.Zone)
		}
		if rate > 0 {
			p.Speed = min(p.Speed, rate)
		}
		if group >= 0 && p.Speed > 0 {
			groups[group] = append(groups[group], p.Speed)
		}
	}
	for _, speeds := range groups {
		if c := divide(n, speeds); len(c) > len(cuts) {
			cuts = c
		}
	}
	return cuts
}

// Attach continues with a scan that another requester began.
func (q *Requester) Attach(ctx context.Context, id string) (*Request, error) {
	data, err := q.At.Request(ctx, id)
	if err != nil {
		return nil, err
	}
	q.request, err = Decode(data, nil)
	if err == nil && q.request.ID != id {
		err = errInvalid
	}
	return q.request, err
}

// Outcome is what a scan by workers ends with.
type Outcome struct {
	scan.Summary
	Complete bool
	Proven   bool // the segments are disjoint and all of the plan

	Undecided uint64 // UDP endpoints that are silent where that decides nothing
	Notes     []Note
}

// Note is what a worker notes of a segment.
type Note struct {
	scan.Note
	Zone string
}

// Run gathers what workers store, and emits the findings: what is open at once, the rest in the end.
// When the context ends, workers are stopped, and what is known is emitted.
func (q *Requester) Run(ctx context.Context, emit func(scan.Finding) error) (Outcome, error) {
	g := newGathering(q, emit)
	err := g.run(ctx)
	if ended := q.end(); err == nil && ended != nil {
		q.Log(fmt.Sprintf("scan %s could not be removed: %v", q.request.ID, ended))
	}
	if ctx.Err() != nil {
		err = nil // that it was interrupted is for the caller to report
	}
	if g.failed == nil {
		err = errors.Join(err, g.emitRest())
	}
	return g.outcome(err == nil), err
}

// end removes the scan, also after the context has ended.
func (q *Requester) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), presentTimeout)
	defer cancel()
	return q.At.End(ctx, q.request.ID)
}

// gathering is what has come of a scan's segments. One goroutine uses it.
type gathering struct {
	*Requester
	emit    func(scan.Finding) error
	begun   time.Time
	order   *target.Order
	ledger  *ledger
	parts   []*zoneParts // by queue
	working working
	accept  func(queue int, c *chunk, body []byte) error // takes in the first whole answer to a segment
	invalid int
	open    uint64
	failed  error // of emit
}

// zoneParts is what is known in one zone, or in all that share the work.
type zoneParts struct {
	zone    string // "" where they share
	whole   *scan.Whole
	summary scan.Summary
	notes   []Note
	lost    float64 // loss by the probes that it was measured with
	weight  float64
}

func newGathering(q *Requester, emit func(scan.Finding) error) *gathering {
	r := q.request
	g := &gathering{
		Requester: q, emit: emit, begun: time.Now(), order: target.NewOrder(r.Plan.Len(), r.Seed),
		ledger: newLedger(r.Cuts, len(r.queues())), working: make(working),
	}
	g.accept = g.answer
	for _, name := range r.queues() {
		if r.Zones == nil {
			name = ""
		}
		g.parts = append(g.parts, &zoneParts{zone: name, whole: scan.NewWhole(r.Plan, r.Seed)})
	}
	return g
}

// run gathers until every segment of every queue has an answer.
func (g *gathering) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	type stored struct {
		data []byte
		err  error
	}
	messages := make(chan stored)
	go func() {
		defer close(messages)
		for data, err := range g.At.Stored(ctx, g.request.ID) {
			select {
			case messages <- stored{data, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		stop()
		for range messages { // it ends
		}
	}()
	reports := g.At.Reports(ctx)
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for g.ledger.left > 0 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case m, ok := <-messages:
			switch {
			case !ok:
				return ErrEnded
			case m.err != nil:
				return m.err
			}
			g.take(m.data)
			if g.failed != nil {
				return g.failed
			}
		case p := <-reports:
			g.working.add(p, g.request, time.Now())
			continue // the next tick shows it
		case <-tick.C:
		}
		g.report()
	}
	return nil
}

// take takes in a message of a worker.
func (g *gathering) take(data []byte) {
	c, err := decodeChunk(data, g.request.Segments())
	if err != nil {
		g.reject("", err)
		return
	}
	queue := 0
	if g.request.Zones != nil {
		if queue = slices.Index(g.request.Zones, c.zone); queue < 0 {
			g.reject(c.zone, fmt.Errorf("the scan is not made from there"))
			return
		}
	}
	body, first := g.ledger.add(queue, c)
	if !first {
		return
	}
	if err := g.accept(queue, c, body); err != nil {
		g.ledger.reject(queue, c.segment)
		g.reject(c.zone, err)
	}
}

// reject reports an answer that makes no sense, once.
func (g *gathering) reject(zone string, err error) {
	if g.invalid++; g.invalid == 1 {
		g.Log(fmt.Sprintf("an answer from zone %q is not valid, and does not count: %v", zone, err))
	}
}

// answer takes in the first whole answer to a segment.
func (g *gathering) answer(queue int, c *chunk, body []byte) error {
	z := g.parts[queue]
	h, part, err := decodeAnswer(body, g.request, g.order, c.segment)
	if err != nil {
		return err
	}
	open, err := z.whole.Add(part)
	if err != nil {
		return err
	}
	z.add(&h, c.zone, part)
	for _, r := range open {
		g.open++
		r.Zone = z.zone
		if g.failed = g.emit(r); g.failed != nil {
			return nil
		}
	}
	return nil
}

// add adds up how the scans of segments ended.
func (z *zoneParts) add(h *answerHead, zone string, part *checkpoint.Part) {
	s, sum := &h.Summary, &z.summary
	sum.Probes += s.Probes
	sum.Passes = max(sum.Passes, s.Passes)
	sum.Contradictions += s.Contradictions
	sum.Repeated += s.Repeated
	sum.Late += s.Late
	sum.Forged += s.Forged
	if s.Loss != nil && *s.Loss >= 0 && *s.Loss <= 1 {
		z.lost += *s.Loss * float64(len(part.Cells))
		z.weight += float64(len(part.Cells))
		share := z.lost / z.weight
		sum.Loss = &share
	}
	if s.ExpectedMissed != nil && *s.ExpectedMissed >= 0 {
		missed := *s.ExpectedMissed
		if sum.ExpectedMissed != nil {
			missed += *sum.ExpectedMissed
		}
		sum.ExpectedMissed = &missed
	}
	for _, n := range h.Notes {
		of := Note{n.received(), zone}
		same := func(o Note) bool { return o.Kind == n.Kind && o.Zone == zone && o.Endpoint == n.Endpoint }
		if i := slices.IndexFunc(z.notes, same); i < 0 {
			z.notes = append(z.notes, of)
		} else {
			z.notes[i].merge(of.Note)
		}
	}
}

// merge makes one note of two of a kind.
func (n *Note) merge(o scan.Note) {
	switch n.Kind {
	case scan.NoteSlowed:
		n.Rate = min(n.Rate, o.Rate)
	case scan.NoteOutage:
		if o.From.Before(n.From) {
			n.From = o.From
		}
		if o.To.After(n.To) {
			n.To = o.To
		}
		n.Lost = n.Lost || o.Lost
	case scan.NoteControl, scan.NoteStrays, scan.CoverNotFollowedUp:
		n.Count += o.Count
	}
}

// emitRest emits what is known but the open endpoints.
func (g *gathering) emitRest() error {
	for _, z := range g.parts {
		err := z.whole.Emit(g.All, func(f scan.Finding) error {
			switch r := f.(type) {
			case probe.Result:
				r.Zone = z.zone
				f = r
			case scan.Range:
				r.Zone = z.zone
				f = r
			}
			return g.emit(f)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// outcome sums up. A scan is complete if its segments are proven to be the whole.
func (g *gathering) outcome(emitted bool) Outcome {
	o := Outcome{Proven: true}
	o.States = make(map[string]uint64)
	n := g.request.Plan.Len()
	for queue, z := range g.parts {
		s := &z.summary
		s.Zone, s.States = z.zone, make(map[string]uint64)
		s.Targets = z.whole.Count(s.States)
		s.NotReached = n - s.Targets
		s.Duration = probe.Millis(time.Since(g.begun))
		o.Proven = o.Proven && g.ledger.proof(queue, n) == nil && s.Targets == n
		o.Undecided += z.whole.Undecided()
		o.add(s)
		o.Notes = append(o.Notes, z.notes...)
	}
	o.Duration = probe.Millis(time.Since(g.begun))
	if g.request.Zones == nil {
		o.Zones = nil
	}
	o.Complete = o.Proven && emitted
	return o
}

// add adds what one zone has found.
func (o *Outcome) add(s *scan.Summary) {
	for state, n := range s.States {
		o.States[state] += n
	}
	o.Targets += s.Targets
	o.NotReached += s.NotReached
	o.Probes += s.Probes
	o.Passes = max(o.Passes, s.Passes)
	o.Contradictions += s.Contradictions
	o.Repeated += s.Repeated
	o.Late += s.Late
	o.Forged += s.Forged
	if s.Loss != nil && (o.Loss == nil || *s.Loss > *o.Loss) {
		o.Loss = s.Loss
	}
	if s.ExpectedMissed != nil {
		missed := *s.ExpectedMissed
		if o.ExpectedMissed != nil {
			missed += *o.ExpectedMissed
		}
		o.ExpectedMissed = &missed
	}
	o.Zones = append(o.Zones, *s)
}
