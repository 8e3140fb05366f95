package wire

import (
	"time"

	"onmux/probe"
	"onmux/scan/verdict"
)

// scope is what the capture has of the traffic: a time, and one direction or both.
type scope struct {
	began    int64  // when the first packet passed
	ended    int64  // when the last did
	answers  uint64 // of endpoints, and of others about them
	halfSeen uint64 // connections of which only the client's packets passed
}

// extend makes the scope hold a time.
func (s *scope) extend(to int64) {
	if s.began == 0 || to < s.began {
		s.began = to
	}
	s.ended = max(s.ended, to)
}

// patience is how long a capture must go on after a question before silence is one.
const patience = int64(time.Second)

// state is the verdict on what was asked at a time. Silence is none where the capture ends
// soon after, or has no answers at all.
func (s *scope) state(c verdict.Cell, p probe.Proto, asked int64) (probe.State, probe.Reason) {
	if isSilence(c) && s.doubt(asked) != nil {
		return probe.Unknown, probe.NoReason
	}
	if !c.Asked() && !c.HasAnswer() {
		return probe.Unknown, probe.NoReason
	}
	return c.State(p), c.Reason()
}

// isSilence reports whether nothing was answered, not even by the client's own machine.
func isSilence(c verdict.Cell) bool { return c.Silent() && c.Class() != verdict.NoNeighbor }

// doubt is why silence after a question proves nothing, or nil.
func (s *scope) doubt(asked int64) []probe.Fact {
	switch {
	case s.halfSeen > 0 && s.answers == 0:
		return []probe.Fact{{Kind: probe.FactOneDirection}}
	case asked > 0 && s.ended-asked < patience:
		return []probe.Fact{{Kind: probe.FactCaptureEnds, After: probe.Millis(s.ended - asked)}}
	}
	return nil
}
