package probe

import (
	"fmt"
	"slices"
)

// Behavior is what an open TCP port does with a connection.
type Behavior string

// The kinds of behavior.
const (
	SendsData         Behavior = "speaks"             // it sent data
	StaysSilent       Behavior = "silent"             // it acknowledged data and sent none
	ZeroWindow        Behavior = "zero-window"        // it takes no data
	ResetsAtOnce      Behavior = "reset-at-once"      // it accepted, and reset the connection before any data
	ClosesAtOnce      Behavior = "closes-at-once"     // the same, with a FIN
	ResetsOnData      Behavior = "reset-on-data"      // it reset the connection after it received data
	ClosesOnData      Behavior = "closes-on-data"     // the same, with a FIN
	NeverAcknowledges Behavior = "never-acknowledged" // it acknowledged none of the data that it was sent
	Unconfirmed       Behavior = "unconfirmed"        // no further connection was accepted
)

// Behaviors lists every kind.
func Behaviors() []Behavior {
	return []Behavior{
		SendsData, StaysSilent, ZeroWindow, ResetsAtOnce, ClosesAtOnce, ResetsOnData, ClosesOnData, NeverAcknowledges,
		Unconfirmed,
	}
}

// What an accepted connection may show in the first attempt already; a further one does
// not repeat the note.
const (
	NoteZeroWindow = "it accepts connections with a zero window and takes no data, as proxies and tarpits do"
	NoteReset      = "it resets accepted connections before any data: a filter by address, or no service"
)

// describe states what the behavior is, and how far `open` can then be relied on.
func (b Behavior) describe() (string, Confidence) {
	switch b {
	case SendsData:
		return "it sends data", High
	case StaysSilent:
		return "it takes data and sends none: so does a service that waits for its own protocol, and so does a decoy", High
	case ZeroWindow:
		return NoteZeroWindow, Low
	case ResetsAtOnce:
		return NoteReset, Medium
	case ClosesAtOnce:
		return "it closes accepted connections before any data: a filter by address, or no service", Medium
	case ResetsOnData:
		return "it resets a connection as soon as it receives data", Medium
	case ClosesOnData:
		return "it closes a connection as soon as it receives data", High
	case Unconfirmed:
		return "it answered, and no further connection was accepted: a limit, or no service", Medium
	case NeverAcknowledges:
		return "it accepts connections and never acknowledges data: something in between answers, not a service", Low
	}
	return "", High
}

// Openness is what package decoy finds behind an open port.
type Openness struct {
	Behavior   Behavior `json:"conduct,omitempty"`   // of a TCP port, if it was observed
	Controls   int      `json:"controls,omitzero"`   // other ports of the host that were probed, taken at random
	Answered   int      `json:"answered,omitzero"`   // how many of them are open too
	Everywhere bool     `json:"everywhere,omitzero"` // all are: the host, or something before it, answers on every port
}

// describe returns what reduces the confidence in `open`, the strongest first, what does
// not, and the confidence that remains. A service that was identified counts against
// that.
func (v Openness) describe(identified bool) (doubts, others []string, c Confidence) {
	c = High
	random := fmt.Sprintf("%d of %d others, taken at random, are open too", v.Answered, v.Controls)
	switch {
	case v.Everywhere && identified:
		doubts, c = append(doubts, "its host answers on every port: "+random+"; but this one identifies itself"), Medium
	case v.Everywhere:
		doubts, c = append(doubts, "it answers on every port: "+random+", so this one is not evidence of a service"), Low
	case v.Answered > 0:
		doubts = append(doubts, fmt.Sprintf("%d of %d other ports, taken at random, are open too", v.Answered, v.Controls))
		c = Medium
	}
	switch sentence, confidence := v.Behavior.describe(); {
	case sentence == "":
	case confidence == High:
		others = append(others, sentence)
	default:
		doubts = append(doubts, sentence)
		c = lower(c, confidence)
	}
	return doubts, others, c
}

// lower is the lesser of two confidences.
func lower(a, b Confidence) Confidence {
	for _, c := range []Confidence{Low, Medium} {
		if a == c || b == c {
			return c
		}
	}
	return High
}

// IsDecoy reports whether a Result is open as every port of its host is, and no service
// was identified: what answers there is not evidence of one.
func (r *Result) IsDecoy() bool {
	return r.State == Open && r.Openness != nil && r.Openness.Everywhere && !r.identified()
}

func (r *Result) identified() bool { return r.Service != nil && r.Service.Name != "unknown" }

// ApplyTo adds to an open Result what was found: what reduces the confidence in it as
// notes, the rest as evidence.
func (v Openness) ApplyTo(r *Result) {
	r.Openness = &v
	doubts, others, c := v.describe(r.identified())
	r.Evidence = append(slices.Clone(r.Evidence), others...)
	if c == High {
		return
	}
	r.Confidence, r.Notes = lower(r.Confidence, c), slices.Clone(r.Notes)
	for _, d := range doubts {
		if !slices.Contains(r.Notes, d) {
			r.Notes = append(r.Notes, d)
		}
	}
}
