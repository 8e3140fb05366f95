package scan

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/target"
)

const (
	// DefaultRetries is how many passes may follow the first. It is a bound,
	// not a habit: how many are made follows the measured loss.
	DefaultRetries = 10

	// DefaultBound is how many answering hosts may probably be missed in the
	// whole sweep before another pass is owed. More than two are then missed in one
	// sweep of seventy.
	DefaultBound = 0.5

	// DefaultSaveEvery is how much work a sweep loses at most, besides what a
	// checkpoint itself takes: making them takes a twentieth of the time at most.
	DefaultSaveEvery = 2 * time.Second
)

// Config is everything a sweep depends on. Only Plan and Engine are required.
type Config struct {
	Plan    *target.Plan
	Engine  engine.Engine // Run closes it
	Rate    float64       // probes a second; 0 means DefaultRate, +Inf no limit
	NetRate float64       // probes a second to one network (see DefaultNetRate); 0 means DefaultNetRate, +Inf no limit
	Retries int           // passes after the first, at most MaxTries-1; negative means DefaultRetries
	Timeout time.Duration // upper bound on the wait for one answer; 0 means DefaultTimeout; one above that is waited for in full from the second try on
	Bound   float64       // another pass is owed while at least this many answering hosts are expected to be missed; 0 means DefaultBound
	Seed    uint64        // key of the order; the same seed and plan give the same order
	Shard   target.Shard  // which part of the order is ours; the zero value is all of it
	All     bool          // a record for every endpoint instead of ranges

	// Checkpoint, if set, names a file that the sweep's state is written to: before
	// the first probe, every SaveEvery (0 means DefaultSaveEvery) and at the end,
	// however it comes. The file is replaced atomically.
	Checkpoint string
	SaveEvery  time.Duration

	// Resume, if set, is where a sweep with the same Config stopped: this one goes
	// on from there and tells again what that one told. Run takes it over, so that
	// it serves once. Engine may be nil if it is Complete.
	Resume *Checkpoint

	// Second is what is asked of every open endpoint before it is told.
	Second SecondLook

	// Watch, if set, is told how far the sweep is, about ten times a second and after
	// every second look, never twice at a time; it must not block.
	Watch func(Progress)
}

// Progress is how far a sweep is. Done never decreases and Done/Total is the
// share of the work that is known to be owed.
type Progress struct {
	Pass        int
	Done, Total uint64        // probes sent, and probes sent plus those still owed
	ETA         time.Duration // at the present pace, drain included
	Open        uint64        // endpoints found open so far
	Looked      uint64        // endpoints that were looked at a second time
	Rate        float64       // probes a second, now
}

// Range is a run of neighbouring addresses with the same verdict on the same
// port, and the record of type "range" in documents.
type Range struct {
	First     netip.Addr   `json:"first"`
	Last      netip.Addr   `json:"last"`
	Count     uint64       `json:"count"`
	Port      uint16       `json:"port"`
	Proto     probe.Proto  `json:"proto"`
	State     probe.State  `json:"state"`
	Reason    probe.Reason `json:"reason,omitzero"`
	Tries     int          `json:"tries,omitzero"`     // each address was asked at least this often
	Responder netip.Addr   `json:"responder,omitzero"` // who answered for all of them, if one other host did
	Notes     []string     `json:"notes,omitempty"`
	Error     string       `json:"error,omitempty"` // why the state is Unknown
}

// Kind names the record's type in documents.
func (Range) Kind() string { return "range" }

// Summary counts a run. The states add up to Targets, always.
type Summary struct {
	Targets        uint64            `json:"targets"` // endpoints asked
	States         map[string]uint64 `json:"states"`
	NotReached     uint64            `json:"not_reached,omitzero"` // planned, and not asked
	Probes         uint64            `json:"probes,omitzero"`      // attempts sent
	Passes         int               `json:"passes,omitzero"`
	Loss           *float64          `json:"loss,omitempty"`            // share of attempts at answering hosts without an answer; nil: not measurable
	ExpectedMissed *float64          `json:"expected_missed,omitempty"` // answering hosts probably still told silent
	Contradictions uint64            `json:"contradictions,omitzero"`   // answers that disagreed with an earlier one
	Repeated       uint64            `json:"repeated,omitzero"`         // answers that said once more what was known, and were not asked to
	Late           uint64            `json:"late,omitzero"`             // answers that came when the endpoint was being asked again; they count
	Forged         uint64            `json:"forged,omitzero"`           // packets that came without proof of answering a probe, and change nothing
	Duration       probe.Millis      `json:"duration_ms"`
}

// Outcome is what a sweep ends with.
type Outcome struct {
	Summary
	Complete bool     // every endpoint of the shard was asked as often as owed
	Coverage []string // what was and was not looked at, a sentence each
	Notes    []string // what slowed it down, and other things worth a line on stderr
}

// Run asks every endpoint of the plan's shard and hands what it finds to emit:
// open endpoints as they are found, and when all were asked the rest, in the
// order of the plan's ports and addresses, as ranges where neighbours agree.
// Calls of emit come one at a time, and Run returns after the last.
//
// When the context ends, Run stops sending, hears what is on its way for as long
// as an answer takes, tells what is known and returns an Outcome that is not
// Complete, without an error. The first error of the engine or of emit ends the
// sweep in the same way and is returned with the Outcome; after an error of
// emit, emit is not called again. A Config that makes no sense, or a Checkpoint
// that cannot be written, is an error before anything is sent; one that cannot be
// written later is a note. In every case the engine is closed.
func Run(ctx context.Context, c Config, emit func(Finding) error) (Outcome, error) {
	if c.Second.Identify || c.Second.Verify {
		return newSecond(ctx, c, emit).run(c)
	}
	return run(ctx, c, emit)
}

func run(ctx context.Context, c Config, emit func(Finding) error) (Outcome, error) {
	if err := c.complete(); err != nil {
		if c.Engine != nil {
			err = errors.Join(err, c.Engine.Close())
		}
		return Outcome{}, err
	}
	s := newSweep(c)
	if err := s.save(false); err != nil {
		return Outcome{}, errors.Join(err, c.Engine.Close())
	}
	return s.run(ctx, emit)
}

// check finds numbers that make no sense.
func (c *Config) check() error {
	switch {
	case math.IsNaN(c.Rate) || c.Rate < 0:
		return fmt.Errorf("a rate of %g probes a second: it must be above 0", c.Rate)
	case math.IsNaN(c.NetRate) || c.NetRate < 0:
		return fmt.Errorf("a rate of %g probes a second to a network: it must be above 0", c.NetRate)
	case c.Retries > engine.MaxTries-1:
		return fmt.Errorf("%d retries: the most is %d", c.Retries, engine.MaxTries-1)
	case c.Timeout < 0:
		return fmt.Errorf("a timeout of %v: it must be above 0", c.Timeout)
	case math.IsNaN(c.Bound) || math.IsInf(c.Bound, 0) || c.Bound < 0:
		return fmt.Errorf("a bound of %g missed hosts: it must be above 0", c.Bound)
	case c.SaveEvery < 0:
		return fmt.Errorf("a checkpoint every %v: it must be above 0", c.SaveEvery)
	case c.Shard != target.Shard{} && (!c.Shard.Valid()):
		return fmt.Errorf("shard %d of %d: shards count from 1 to their number", c.Shard.I, c.Shard.N)
	}
	return nil
}

// complete checks a Config and fills it.
func (c *Config) complete() error {
	if c.Plan == nil || c.Engine == nil && (c.Resume == nil || !c.Resume.Complete()) {
		return errors.New("a sweep needs a plan and an engine")
	}
	if err := c.check(); err != nil {
		return err
	}
	c.fill()
	if c.Resume != nil {
		return c.Resume.Differs(*c)
	}
	return nil
}

// fill sets what was left to us.
func (c *Config) fill() {
	if c.Rate == 0 {
		c.Rate = DefaultRate
	}
	if c.NetRate == 0 {
		c.NetRate = DefaultNetRate
	}
	if c.Retries < 0 {
		c.Retries = DefaultRetries
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Bound == 0 {
		c.Bound = DefaultBound
	}
	if c.Shard == (target.Shard{}) {
		c.Shard = target.Shard{I: 1, N: 1}
	}
	if c.SaveEvery == 0 {
		c.SaveEvery = DefaultSaveEvery
	}
}
