package scan

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/scan/checkpoint"
	"onmux/scan/engine"
	"onmux/scan/named"
	"onmux/scan/target"
	"onmux/scan/timing"
	"onmux/scan/verdict"
)

const (
	// DefaultRetries is how many passes may follow the first. It is a bound, not a
	// habit: how many are made follows the measured loss.
	DefaultRetries = 10

	DefaultRate    = timing.DefaultRate    // probes a second
	DefaultTimeout = timing.DefaultTimeout // of one answer, at most

	// DefaultNetRate is how many probes a second one network gets at most, whatever the
	// rate: as many as a scan sends for which no rate was set. A higher rate is for
	// many networks. A network is a /24 of IPv4 or a /64 of IPv6: what one router and
	// one link must carry. Loopback has no limit.
	DefaultNetRate = DefaultRate

	// DefaultSaveEvery is how much work a scan loses at most, besides what a
	// checkpoint itself takes: making them takes a twentieth of the time at most.
	DefaultSaveEvery = 2 * time.Second
)

// Config is everything that a scan depends on. Only Plan and Engine are required.
type Config struct {
	Plan   *target.Plan
	Engine engine.Engine // Run closes it

	// Rate is how many probes leave a second, and NetRate how many of them go to one
	// network, a /24 of IPv4 or a /64 of IPv6. 0 means DefaultRate and
	// DefaultNetRate, +Inf no limit.
	Rate, NetRate float64

	// Retries is how many passes may follow the first, at most engine.MaxTries-1;
	// negative means DefaultRetries. Another one is made while at least Bound
	// answering hosts are expected to be missed; 0 means verdict.DefaultBound.
	Retries int
	Bound   float64

	// Timeout bounds the wait for one answer; 0 means DefaultTimeout. One above that
	// is waited for in full from the second try on.
	Timeout time.Duration

	Seed  uint64       // key of the order; the same seed and plan give the same order
	Shard target.Shard // which part of the order is asked; the zero value is all of it

	// Allow, if set, is an error that states why an address must not be asked, or nil. The
	// state of such endpoints is unknown.
	Allow func(netip.Addr) error

	// Part, if set, receives what is known in the end of the Shard's endpoints, which must
	// be a Segment, in place of the findings that are not open.
	Part *checkpoint.Part

	All bool // a record for every endpoint instead of ranges

	// Checkpoint, if set, names a file that the scan's state is written to: before
	// the first probe, every SaveEvery (0 means DefaultSaveEvery) and at the end,
	// however it comes. The file is replaced atomically.
	Checkpoint string
	SaveEvery  time.Duration

	// Resume, if set, is where a scan with the same Config stopped: this one goes on
	// from there and reports again what that one reported. Run takes it over, so that
	// it serves once. Engine may be nil if it is Complete.
	Resume *checkpoint.Checkpoint

	// FollowUp is what is asked of every open endpoint before it is reported.
	FollowUp FollowUp

	// Controls are endpoints that should answer, according to the user; the zero value has
	// none. Silence counts only while some answer. Run closes their engine.
	Controls named.Controls

	// Watch, if set, is called with how far the scan is, about ten times a second and
	// after every follow-up, never twice at a time; it must not block.
	Watch func(Progress)
}

// Resumed describes a scan that goes on from a checkpoint; it lacks an Engine.
func Resumed(c *checkpoint.Checkpoint) Config {
	return Config{
		Plan: c.Plan(), Seed: c.Seed, Shard: c.Shard, Retries: c.Retries, Timeout: c.Timeout, Bound: c.Bound, Resume: c,
	}
}

// Differs is an error that names in what c is not the scan that Resume is of, or nil.
func (c *Config) Differs() error {
	var methods map[probe.Proto]string
	if c.Engine != nil {
		methods = make(map[probe.Proto]string)
		maps.Copy(methods, c.Engine.Methods())
	}
	return c.Resume.Differs(c.Plan, c.settings(), methods)
}

func (c *Config) settings() checkpoint.Settings {
	return checkpoint.Settings{Seed: c.Seed, Shard: c.Shard, Retries: c.Retries, Timeout: c.Timeout, Bound: c.Bound}
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
	case c.Shard != target.Shard{} && !c.Shard.Valid():
		return fmt.Errorf("shard %d of %d: shards count from 1 to their number", c.Shard.I, c.Shard.N)
	}
	return nil
}

// WithDefaults is c with what it leaves to its defaults. An error is of numbers that make
// no sense.
func (c Config) WithDefaults() (Config, error) {
	err := c.check()
	c.fill()
	return c, err
}

// complete checks a Config and fills it.
func (c *Config) complete() error {
	if c.Plan == nil || c.Engine == nil && !c.resumesComplete() {
		return errors.New("a scan needs a plan and an engine")
	}
	if err := c.check(); err != nil {
		return err
	}
	c.fill()
	if c.Resume != nil {
		return c.Differs()
	}
	return nil
}

// close closes the engines of a scan that asks nothing.
func (c *Config) close() error {
	var err error
	for _, e := range []engine.Engine{c.Engine, c.Controls.Engine} {
		if e != nil {
			err = errors.Join(err, e.Close())
		}
	}
	return err
}

// resumesComplete reports whether a checkpoint is resumed that leaves nothing to ask.
func (c *Config) resumesComplete() bool { return c.Resume != nil && c.Resume.Complete }

// fill sets the defaults.
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
		c.Bound = verdict.DefaultBound
	}
	if c.Shard == (target.Shard{}) {
		c.Shard = target.Shard{I: 1, N: 1}
	}
	if c.SaveEvery == 0 {
		c.SaveEvery = DefaultSaveEvery
	}
}
