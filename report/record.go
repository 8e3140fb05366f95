package report

import "cmp"

// Recording is a Handler that keeps a stream, to tell it later.
type Recording struct {
	start    Start
	findings []Finding
	end      End
}

// Start keeps s.
func (r *Recording) Start(s Start) error { r.start = s; return nil }

// Finding keeps f.
func (r *Recording) Finding(f Finding) error { r.findings = append(r.findings, f); return nil }

// End keeps e.
func (r *Recording) End(e End) error { r.end = e; return nil }

// Replay tells h what was kept, and returns its first error.
func (r *Recording) Replay(h Handler) error {
	err := h.Start(r.start)
	for _, f := range r.findings {
		err = cmp.Or(err, h.Finding(f))
	}
	return cmp.Or(err, h.End(r.end))
}
