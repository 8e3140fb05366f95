package checkpoint

import (
	"errors"
	"fmt"
	"time"

	"onmux/probe"
	"onmux/scan/target"
	"onmux/scan/verdict"
)

// A Checkpoint is what a scan knew at one moment: its plan, with what names
// resolved to then, where it stood in the order, the verdicts so far with the
// answers that were kept, and what was counted. A scan that goes on from there
// ends with the verdicts of one that was never interrupted. Probes that could
// still be answered when the checkpoint was made are sent again, as the same try.
type Checkpoint struct {
	Head
	plan    *target.Plan
	cells   []verdict.Cell // condensed
	answers []Answer
}

// Settings are what decides what a scan asks and what its verdicts mean, beside
// the plan.
type Settings struct {
	Seed    uint64        `json:"seed"`
	Shard   target.Shard  `json:"shard"`
	Retries int           `json:"retries"`
	Timeout time.Duration `json:"timeout"`
	Bound   float64       `json:"bound"`
}

// Pass is a pass over the endpoints, and those before it.
type Pass struct {
	Number   int                   `json:"passes"` // from 1 on; 0 before the first
	Over     bool                  `json:"over"`   // it has ended, and its answers were waited for
	Asks     verdict.ByProto[bool] `json:"asks"`
	Payloads bool                  `json:"turns,omitempty"` // it sends silent UDP ports their next payload
	Redo     bool                  `json:"redo,omitempty"`  // it asks those whose tries were void
	Redone   int                   `json:"redone,omitzero"` // passes that did
	Done     verdict.ByProto[int]  `json:"done"`            // passes that each protocol has behind it
}

// Head is the part of a checkpoint that has a fixed size, as JSON.
type Head struct {
	Saved    time.Time         `json:"saved"`
	Complete bool              `json:"complete,omitempty"` // nothing is left to ask
	Methods  map[string]string `json:"methods"`            // how each protocol was asked, by its name

	Settings
	Pass
	Settled uint64 `json:"settled"` // no probe before this position of the pass can still be answered

	// tries that must be made again; of which endpoints is not kept
	Voided         uint64                         `json:"voided,omitzero"`
	Sent           uint64                         `json:"sent"` // probes
	Strays         uint64                         `json:"strays"`
	Contradictions uint64                         `json:"disputes"`
	Repeated       uint64                         `json:"repeated,omitzero"`
	Late           uint64                         `json:"late,omitzero"`
	Answered       verdict.ByProto[verdict.Tally] `json:"tally"`
	RTT            [3]time.Duration               `json:"rtt"`               // smoothed, its variation, the longest
	LocalError     string                         `json:"failure,omitempty"` // for endpoints whose own was not kept
}

// Answer is an answer that is kept whole.
type Answer struct {
	Index uint64
	*probe.Result
}

// Plan is what is asked.
func (c *Checkpoint) Plan() *target.Plan { return c.plan }

// TakeCells returns the cells, condensed (see Condense), one for each endpoint.
// The Checkpoint must not be used to resume a second scan.
func (c *Checkpoint) TakeCells() []verdict.Cell { return c.cells }

// Answers are those that were kept. An endpoint may have several, the latest last.
func (c *Checkpoint) Answers() []Answer { return c.answers }

// Method names how a protocol was asked, as engine.Engine's Methods does.
func (c *Checkpoint) Method(p probe.Proto) string { return c.Methods[p.String()] }

// Differs is an error that names in what another scan is not the checkpoint's, or
// nil. methods is how it would ask; nil is not compared. How fast a scan runs and
// how it reports does not matter.
func (c *Checkpoint) Differs(plan *target.Plan, s Settings, methods map[probe.Proto]string) error {
	if s.Shard == (target.Shard{}) {
		s.Shard = target.Shard{I: 1, N: 1}
	}
	shard := func(s target.Shard) string { return fmt.Sprintf("%d/%d", s.I, s.N) }
	differences := []string{
		c.plan.Difference(plan),
		difference("seed", c.Seed, s.Seed),
		difference("shard", shard(c.Shard), shard(s.Shard)),
		difference("retries", c.Retries, s.Retries),
		difference("timeout", c.Timeout, s.Timeout),
		difference("bound", c.Bound, s.Bound),
	}
	if methods != nil {
		for _, p := range c.plan.Protos() {
			differences = append(differences, difference(p.String()+" method", c.Method(p), methods[p]))
		}
	}
	for _, d := range differences {
		if d != "" {
			return errors.New("the checkpoint is of another plan: " + d)
		}
	}
	return nil
}

func difference[T comparable](what string, is, not T) string {
	if is == not {
		return ""
	}
	return fmt.Sprintf("%s %v, not %v", what, is, not)
}

// savedResult is a Result as a checkpoint has it: with the facts, which reports have as
// sentences only.
type savedResult struct {
	*probe.Result
	Facts []probe.Fact `json:"facts,omitempty"`
}
