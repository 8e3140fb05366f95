package compare

import (
	"net/netip"
	"slices"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/owner"
	"onmux/report/compact"
	"onmux/report/record"
	"onmux/scan"
)

// Saved is a Handler that keeps of a stream what Diff compares.
type Saved struct {
	record.Nop
	Started record.Start
	Ended   record.End
	zones   map[string]*compact.Store // endpoints with what Diff needs of them, by the zone that asked
	ports   map[probe.Port]local.Verdict
	sockets map[socketKey][]owner.Owner
}

// socketKey is what makes a socket that listens the same one in another report.
type socketKey struct {
	address       netip.Addr
	port          probe.Port
	netns, device string
}

// Start keeps s.
func (r *Saved) Start(s record.Start) error {
	r.Started = s
	r.ports, r.sockets = make(map[probe.Port]local.Verdict), make(map[socketKey][]owner.Owner)
	return nil
}

// Endpoint keeps its state.
func (r *Saved) Endpoint(f probe.Result) error {
	if !f.Addr.IsValid() {
		return nil // a name that has no address
	}
	kept := probe.Result{Endpoint: f.Endpoint, State: f.State, Reason: f.Reason, Confidence: f.Confidence,
		Doubts: doubtsOf(f.State, f.Reason, f.Doubts, f.Notes)}
	if s := f.Service; s != nil {
		kept.Service = &probe.Service{Name: s.Name, Product: s.Product, Version: s.Version}
	}
	return r.zone(f.Zone).Endpoint(kept)
}

// Range keeps the state of its endpoints.
func (r *Saved) Range(f scan.Range) error {
	return r.zone(f.Zone).Range(scan.Range{First: f.First, Last: f.Last, Count: f.Count, Port: f.Port, Proto: f.Proto,
		State: f.State, Reason: f.Reason, Doubts: doubtsOf(f.State, f.Reason, f.Doubts, f.Notes)})
}

// zone is what a zone asked; of a report without zones all is of "".
func (r *Saved) zone(name string) *compact.Store {
	if r.zones == nil {
		r.zones = make(map[string]*compact.Store)
	}
	if r.zones[name] == nil {
		r.zones[name] = new(compact.Store)
	}
	return r.zones[name]
}

// summary is the sum of what a zone asked.
func (r *Saved) summary(zone string) scan.Summary {
	for _, s := range r.Ended.Summary.Zones {
		if s.Zone == zone {
			return s
		}
	}
	return r.Ended.Summary
}

// doubtsOf is what Diff needs of the doubts about a state: whether its host is down, and
// whether a silence decides nothing.
func doubtsOf(state probe.State, reason probe.Reason, doubts []probe.Doubt, notes []string) []probe.Doubt {
	down := probe.Doubt{Kind: probe.DoubtHostDown}
	switch {
	case slices.Contains(doubts, down):
		return []probe.Doubt{down}
	case isSilence(state, reason) && (len(doubts) > 0 || len(notes) > 0):
		return doubtSilence
	}
	return nil
}

// isSilence reports whether a state was concluded from no answer.
func isSilence(state probe.State, reason probe.Reason) bool {
	return reason == probe.NoResponse ||
		reason == probe.NoReason && (state == probe.Filtered || state == probe.OpenFiltered)
}

// Verdict keeps it.
func (r *Saved) Verdict(f local.Verdict) error {
	r.ports[probe.Port{Number: f.Port, Proto: f.Proto}] = f
	return nil
}

// Listener keeps the owners of a socket that listens.
func (r *Saved) Listener(f local.Listener) error {
	if f.State == local.Listening {
		k := socketKey{f.Address, probe.Port{Number: f.Port, Proto: f.Proto}, f.NetNS, f.Device}
		r.sockets[k] = append(r.sockets[k], f.Owners...)
	}
	return nil
}

// End keeps e.
func (r *Saved) End(e record.End) error {
	r.Ended = e
	return nil
}

// IgnoresViolations states that they are not compared.
func (r *Saved) IgnoresViolations() {}

// Close removes what is kept.
func (r *Saved) Close() {
	for _, s := range r.zones {
		s.Close()
	}
}
