package local

import (
	"fmt"

	"onmux/probe"
)

// maxTrials bounds on how many ports binding is tried.
const maxTrials = 256

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
