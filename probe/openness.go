package probe

import "slices"

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

// confidence is how far `open` can be relied on where a port behaves so.
func (b Behavior) confidence() Confidence {
	switch b {
	case ZeroWindow, NeverAcknowledges:
		return Low
	case ResetsAtOnce, ClosesAtOnce, ResetsOnData, Unconfirmed:
		return Medium
	}
	return High
}

// Openness is what package decoy finds behind an open port.
type Openness struct {
	Behavior   Behavior `json:"conduct,omitempty"`   // of a TCP port, if it was observed
	Controls   int      `json:"controls,omitzero"`   // other ports of the host that were probed, taken at random
	Answered   int      `json:"answered,omitzero"`   // how many of them are open too
	Everywhere bool     `json:"everywhere,omitzero"` // all are: the host, or something before it, answers on every port
}

// doubts are the reasons to doubt `open`, the strongest first, and the confidence that
// remains. A service that was identified counts against them.
func (v Openness) doubts(identified bool) (doubts []Doubt, c Confidence) {
	c = High
	switch {
	case v.Everywhere && identified:
		doubts, c = append(doubts, Doubt{Kind: DoubtEverywhere}), Medium
	case v.Everywhere:
		doubts, c = append(doubts, Doubt{Kind: DoubtEverywhere}), Low
	case v.Answered > 0:
		doubts, c = append(doubts, Doubt{Kind: DoubtOthersOpen}), Medium
	}
	if b := v.Behavior.confidence(); b != High {
		doubts, c = append(doubts, Doubt{Kind: DoubtKind(v.Behavior)}), lower(c, b)
	}
	return doubts, c
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
	return r.State == Open && r.Openness != nil && r.Openness.Everywhere && !r.Identified()
}

// Identified reports whether the service is known.
func (r *Result) Identified() bool { return r.Service != nil && r.Service.Name != "unknown" }

// ApplyTo adds to an open Result what was found: what reduces the confidence in it as
// Doubts, each once.
func (v Openness) ApplyTo(r *Result) {
	r.Openness = &v
	doubts, c := v.doubts(r.Identified())
	if c == High {
		return
	}
	r.Confidence, r.Doubts = lower(r.Confidence, c), slices.Clone(r.Doubts)
	for _, d := range doubts {
		if !slices.Contains(r.Doubts, d) {
			r.Doubts = append(r.Doubts, d)
		}
	}
}
