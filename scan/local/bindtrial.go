package local

import (
	"fmt"
	"strings"

	"onmux/probe"
)

// maxTrials bounds on how many ports binding is tried.
const maxTrials = 256

// trial is one socket that was bound to a port at no address in particular, and
// closed at once.
type trial struct {
	where string // "0.0.0.0:417"
	came  string // "worked", or how it was refused
}

// tell puts trials that came out alike into one sentence.
func tell(trials []trial) []string {
	var order []string
	where := make(map[string][]string)
	for _, t := range trials {
		if where[t.came] == nil {
			order = append(order, t.came)
		}
		where[t.came] = append(where[t.came], t.where)
	}
	var said []string
	for _, came := range order {
		said = append(said, fmt.Sprintf("binding %s %s", strings.Join(where[came], ", "), came))
	}
	return said
}

// try binds a port on which nothing listens, unless that was done to many.
func (t *tracing) try(s settings, q query, p probe.Port) []string {
	switch t.tried++; {
	case t.tried <= maxTrials:
		return s.try(q, p)
	case t.tried == maxTrials+1:
		t.coverage = append(t.coverage, fmt.Sprintf("binding was tried for the first %d ports on which nothing listens", maxTrials))
	}
	return nil
}
