package ports

import "onmux/probe"

// Info is what is known of a port number, and the record of
// type "port". What is not known is nil.
type Info struct {
	Port     uint16        `json:"port"`
	Protos   []probe.Proto `json:"protos"`          // what was asked for; the rest holds for both
	Names    []Name        `json:"names,omitempty"` // IANA's first; this machine's where it has others
	Services Services      `json:"services"`
	Range    Range         `json:"range"`

	// Ports below UnprivilegedFrom, 0 to 65536, need a privilege to bind. MayBind is
	// whether the caller's privileges suffice; the port may still be in use.
	UnprivilegedFrom *int  `json:"unprivileged_from,omitempty"`
	MayBind          *bool `json:"may_bind,omitempty"`

	// The kernel takes ports for connections from EphemeralRange; Ephemeral is whether
	// the port lies in it, Reserved whether it is excluded.
	Ephemeral      *bool `json:"ephemeral,omitempty"`
	EphemeralRange *Span `json:"ephemeral_range,omitempty"`
	Reserved       *bool `json:"reserved,omitempty"`

	Notes   []string `json:"notes,omitempty"` // what is known of this system only in general
	History []Fact   `json:"story,omitempty"`
}

// Kind names the record's type in documents.
func (Info) Kind() string { return "port" }

// Name is a port's name for one protocol, and its source.
type Name struct {
	Name   string      `json:"name"`
	Proto  probe.Proto `json:"proto"`
	Source string      `json:"source"`
}
