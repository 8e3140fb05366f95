package record

import (
	"fmt"
	"net/netip"

	"onmux/probe"
)

// The kinds of Change.
const (
	Appeared = "appeared" // open or listening now, and was not
	Vanished = "vanished" // was open or listening, and is not any more
	Changed  = "state"    // another state or verdict, neither of which is open or listening
	Service  = "service"  // another service is there
	Owner    = "owner"    // somebody else holds it
)

// ChangeKinds lists the kinds in the order of reports.
func ChangeKinds() []string { return []string{Appeared, Vanished, Service, Owner, Changed} }

// Change is a difference between two reports, and the record of type "change" in
// documents. One of a run of neighboring addresses that all changed in the same
// way has a Last and a Count above 1.
type Change struct {
	What       string           `json:"what"`
	Address    netip.Addr       `json:"address,omitzero"` // none for a verdict on a port of this machine
	Last       netip.Addr       `json:"last,omitzero"`
	Count      uint64           `json:"count,omitzero"`
	Port       uint16           `json:"port"`
	Proto      probe.Proto      `json:"proto"`
	Old        string           `json:"old"`
	New        string           `json:"new"`
	Confidence probe.Confidence `json:"confidence"`
	Notes      []string         `json:"notes,omitempty"`     // why the confidence is low
	Undecided  bool             `json:"undecided,omitempty"` // one report has only a silence that decides nothing
	Zone       string           `json:"zone,omitempty"`      // from where it was asked, in scans from several zones
}

// Kind names the record's type in documents.
func (Change) Kind() string { return "change" }

// Place is what changed: "10.0.0.7:417/tcp", "10.0.0.8-10.0.0.20 port 417/tcp from eu-1".
func (c Change) Place() string {
	switch {
	case !c.Address.IsValid():
		return probe.Port{Number: c.Port, Proto: c.Proto}.String()
	case c.Last.IsValid() && c.Last != c.Address:
		return fmt.Sprintf("%s-%s port %d/%s%s", c.Address, c.Last, c.Port, c.Proto, From(c.Zone))
	}
	return probe.Endpoint{Addr: c.Address, Port: c.Port, Proto: c.Proto}.String() + From(c.Zone)
}

// Number is how many endpoints or ports changed.
func (c Change) Number() uint64 { return max(c.Count, 1) }
