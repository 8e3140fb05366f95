package local

import (
	"slices"

	"onmux/probe/local/trace"
)

// What could not be looked at, and might make another verdict.
const (
	idleUnseen   = "one that is bound and does not listen cannot be seen"
	spacesMissed = "not every other network namespace could be looked at"
	rulesMissed  = "not every NAT rule could be read, and one may send arrivals on"
)

// caveats says what was not seen of all that would make a stronger verdict.
func (f finding) caveats(word Word) (said []string) {
	weaker := func(stronger Word) bool { return slices.Index(Words(), word) > slices.Index(Words(), stronger) }
	if word == Unknown {
		return nil // which claims nothing
	}
	if weaker(Bound) && f.unseen() {
		said = append(said, idleUnseen)
	}
	if weaker(Elsewhere) && f.missed {
		said = append(said, spacesMissed)
	}
	if weaker(Redirected) && f.unruled {
		said = append(said, rulesMissed)
	}
	if what := f.misunderstood(); weaker(Redirected) && what != "" {
		said = append(said, what)
	}
	return said
}

// unseen reports whether a socket that is bound and does not listen may hold the
// port, as far as is known.
func (f finding) unseen() bool { return f.source.NoBound && !f.trials.Free() }

// astray reports whether connections went to where a rule that could not be read
// may have sent them. That the port is free does not explain it: where nothing
// listens, the kernel refuses by a reset (RFC 9293, section 3.10.7.1).
func (f finding) astray() bool {
	return (f.unruled || len(f.unread) > 0) && slices.ContainsFunc(f.attempts, func(a *trace.Attempt) bool {
		return a.Outcome == trace.Silent || a.Outcome == trace.Rejected
	})
}
