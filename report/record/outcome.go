package record

import (
	"fmt"
	"math"
	"slices"
)

// Outcome is what came of the expectations. The zero value is none.
type Outcome int

// The outcomes.
const (
	Holds      Outcome = iota + 1
	Fails              // something definitely is not as expected
	CannotTell         // nothing contradicts, but something could not be measured
)

var outcomeNames = [...]string{Holds: "holds", Fails: "fails", CannotTell: "cannot-tell"}

// Outcomes lists the outcomes' words in the order of reports.
func Outcomes() []string { return slices.Clone(outcomeNames[Holds:]) }

func (o Outcome) String() string {
	if o < Holds || o > CannotTell {
		return "invalid"
	}
	return outcomeNames[o]
}

// MarshalText writes "holds", "fails" or "cannot-tell".
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the outcome's word.
func (o *Outcome) UnmarshalText(b []byte) error {
	i := slices.Index(outcomeNames[:], string(b))
	if i < int(Holds) {
		return fmt.Errorf("%q is not an outcome", b)
	}
	*o = Outcome(i)
	return nil
}

// OutcomeOf is what came of the expectations, also in a report that does not
// have it, given the number of its violations.
func OutcomeOf(e End, violations int) Outcome {
	switch {
	case e.Outcome != 0:
		return e.Outcome
	case violations > 0:
		return Fails
	case e.Cut() || e.Summary.States[Unknown] > 0:
		return CannotTell
	}
	return Holds
}

// Finite is a share that is a number, or nil: it was not measurable.
func Finite(f *float64) *float64 {
	if f == nil || math.IsNaN(*f) || math.IsInf(*f, 0) {
		return nil
	}
	return f
}
