package local

import (
	"fmt"
	"slices"

	"onmux/probe"
	"onmux/probe/local/socket"
)

// maxTrials bounds on how many ports binding is tried.
const maxTrials = 256

// tried is how binding a port came out; the zero value: it was not tried.
type tried struct {
	said []string // a sentence for each way
	used bool     // a socket was in the way, seen or not
	free bool     // nothing was in the way
}

// judge is the verdict anew, after the port was bound where that was asked for.
// Binding meets also the sockets that no source tells.
func (f finding) judge(t *tracing, s settings, q socket.Query) Verdict {
	v := f.verdict()
	if t.asked && v.Verdict != Listening {
		f.tried = t.try(s, q, f.port)
		v = f.verdict()
	}
	v.Bind = append(s.obstacles(f.port, v.Verdict, f.count), f.tried.said...)
	return v
}

// trial says what --trace would decide.
func (v view) trial(r Request, verdicts []Verdict) []string {
	if r.Trace || !slices.ContainsFunc(verdicts, func(v Verdict) bool {
		return v.Error == idleUnseen || v.Verdict == Free && slices.Contains(v.Caveats, idleUnseen)
	}) {
		return nil
	}
	return []string{"--trace binds the port for a moment, which a socket that cannot be seen is in the way of"}
}

// try binds a port on which nothing listens, unless that was done to many.
func (t *tracing) try(s settings, q socket.Query, p probe.Port) tried {
	switch t.tried++; {
	case t.tried <= maxTrials:
		out := s.try(q, p)
		out.used = out.used && !t.ours[p.Number]
		return out
	case t.tried == maxTrials+1:
		t.coverage = append(t.coverage, fmt.Sprintf("binding was tried for the first %d ports on which nothing listens", maxTrials))
	}
	return tried{}
}
