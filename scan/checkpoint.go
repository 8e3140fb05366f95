package scan

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/target"
)

// A Checkpoint is what a sweep knew at one moment: its plan, with what names
// resolved to then, where it stood in the order, the verdicts so far with what
// was kept of the answers, and what was counted. Set as Config.Resume it lets a
// sweep go on from there and end with the verdicts of one that was never
// interrupted. Probes that could still be answered when it was made are sent
// again, as the same try.
type Checkpoint struct {
	plan    *target.Plan
	head    head
	cells   []cell // condensed
	details []detail
}

// head is the part of a checkpoint that has a fixed size, as JSON.
type head struct {
	Saved    time.Time         `json:"saved"`
	Complete bool              `json:"complete,omitempty"` // nothing is left to ask
	Methods  map[string]string `json:"methods"`

	// What Config said.
	Seed    uint64        `json:"seed"`
	Shard   target.Shard  `json:"shard"`
	Retries int           `json:"retries"`
	Timeout time.Duration `json:"timeout"`
	Bound   float64       `json:"bound"`

	// Where the sweep stood.
	Passes  int           `json:"passes"`
	Over    bool          `json:"over"`
	Asks    byProto[bool] `json:"asks"`
	Turns   bool          `json:"turns,omitempty"`
	Done    byProto[int]  `json:"done"`
	Settled uint64        `json:"settled"`

	// What was counted.
	Sent     uint64           `json:"sent"`
	Strays   uint64           `json:"strays"`
	Disputes uint64           `json:"disputes"`
	Repeated uint64           `json:"repeated,omitzero"`
	Late     uint64           `json:"late,omitzero"`
	Tally    byProto[tally]   `json:"tally"`
	RTT      [3]time.Duration `json:"rtt"`
	Failure  string           `json:"failure,omitempty"`
}

// detail is an answer that is kept whole.
type detail struct {
	index uint64
	*probe.Result
}

// Plan is what is asked.
func (c *Checkpoint) Plan() *target.Plan { return c.plan }

// Saved is when the checkpoint was made.
func (c *Checkpoint) Saved() time.Time { return c.head.Saved }

// Complete reports whether nothing is left to ask: Run then tells what is known
// and sends nothing.
func (c *Checkpoint) Complete() bool { return c.head.Complete }

// Probes is how many were sent by then.
func (c *Checkpoint) Probes() uint64 { return c.head.Sent }

// Methods names how each protocol was asked, as Engine.Methods does.
func (c *Checkpoint) Methods() map[probe.Proto]string {
	out := make(map[probe.Proto]string)
	for _, p := range probe.Protos() {
		if m, ok := c.head.Methods[p.String()]; ok {
			out[p] = m
		}
	}
	return out
}

// Config describes a sweep that goes on from the checkpoint; it lacks an Engine.
func (c *Checkpoint) Config() Config {
	h := &c.head
	return Config{
		Plan: c.plan, Seed: h.Seed, Shard: h.Shard, Retries: h.Retries, Timeout: h.Timeout, Bound: h.Bound, Resume: c,
	}
}

// Differs says in what another sweep is not the checkpoint's, or is nil. How fast
// it runs is its own business, and so is everything about telling.
func (c *Checkpoint) Differs(o Config) error {
	h := &c.head
	if o.Shard == (target.Shard{}) {
		o.Shard = target.Shard{I: 1, N: 1}
	}
	for _, d := range []string{
		c.plan.Difference(o.Plan),
		differ("seed", h.Seed, o.Seed),
		differ("shard", fmt.Sprintf("%d/%d", h.Shard.I, h.Shard.N), fmt.Sprintf("%d/%d", o.Shard.I, o.Shard.N)),
		differ("retries", h.Retries, o.Retries),
		differ("timeout", h.Timeout, o.Timeout),
		differ("bound", h.Bound, o.Bound),
	} {
		if d != "" {
			return errors.New("the checkpoint is of another plan: " + d)
		}
	}
	if o.Engine == nil {
		return nil
	}
	for _, p := range c.plan.Protos() {
		if d := differ(p.String()+" method", c.head.Methods[p.String()], o.Engine.Methods()[p]); d != "" {
			return errors.New("the checkpoint is of another plan: " + d)
		}
	}
	return nil
}

func differ[T comparable](what string, is, not T) string {
	if is == not {
		return ""
	}
	return fmt.Sprintf("%s %v, not %v", what, is, not)
}

// methodNames is how an engine asks the plan's protocols, for the head.
func methodNames(p *target.Plan, e engine.Engine) map[string]string {
	out := make(map[string]string)
	if e == nil {
		return out
	}
	m := e.Methods()
	for _, proto := range p.Protos() {
		out[proto.String()] = strings.ToValidUTF8(m[proto], "?")
	}
	return out
}
