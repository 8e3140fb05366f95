package record

import (
	"slices"
	"time"

	"onmux/probe/listen"
	"onmux/probe/local"
	"onmux/probe/local/nat"
	"onmux/probe/local/owner"
	"onmux/probe/local/trace"
	"onmux/scan"
)

// Schema names the version of the documents' shape; fields are only ever added.
const Schema = "onmux/1"

// Start opens a stream.
type Start struct {
	Schema  string            `json:"schema"`
	Command string            `json:"command"`
	Version string            `json:"version"`
	Started time.Time         `json:"started"`
	Method  map[string]string `json:"method,omitempty"` // by protocol
	Plan    *Plan             `json:"plan,omitempty"`   // of a scan
	Args    []string          `json:"args,omitempty"`   // the command line, from the command on
	Host    string            `json:"host,omitempty"`   // the name of the machine that it ran on

	AllPorts bool   `json:"all_ports,omitempty"` // of a check: every port in use was looked for
	Job      string `json:"job,omitempty"`       // what its user calls it: the name of a policy, for one
	Watch    bool   `json:"watch,omitempty"`     // of a check: it watched what begins and stops listening
}

// Finding is one record between Start and End: probe.Result, probe.Attempt, scan.Range, wire.Flow, local.Listener,
// local.Verdict, local.Event, listen.Arrival, ports.Info, Change, Rule or Violation. Kind is the record's "type"
// in documents.
type Finding interface{ Kind() string }

// Violation is an expectation that does not hold.
type Violation struct {
	What     string `json:"what"`
	Expected string `json:"expected"`
	Actual   string `json:"actual"`
	Address  string `json:"address,omitempty"`
	Port     uint16 `json:"port,omitzero"`
	Proto    string `json:"proto,omitempty"`
	Rule     string `json:"rule,omitempty"` // of a policy, by name

	Hosts []string `json:"hosts,omitempty"` // the names that lead to Address
	Zone  string   `json:"zone,omitempty"`  // from where it was asked, in a scan from several zones
}

// Kind names the record's type in documents.
func (Violation) Kind() string { return "violation" }

// End closes a stream.
type End struct {
	Finished time.Time      `json:"finished"`
	Complete bool           `json:"complete"` // false: interrupted, or something could not be asked
	Coverage []string       `json:"coverage"` // what was and was not looked at
	Summary  scan.Summary   `json:"summary"`
	Outcome  Outcome        `json:"outcome,omitzero"` // what came of the expectations
	Hints    []string       `json:"hints,omitempty"`
	First    uint64         `json:"first,omitzero"`     // it stopped after so many open endpoints, as was asked
	Watched  *Watched       `json:"watched,omitempty"`  // of a check that watched
	Arrived  *listen.Counts `json:"arrived,omitempty"`  // of a listener
	ExitCode int            `json:"exit_code,omitzero"` // of the run; of an earlier version's not known
}

// Cut reports whether the run ended before it should.
func (e End) Cut() bool { return !e.Complete && e.First == 0 }

// Watched is what a check saw of the sockets that it watched.
type Watched struct {
	Began     uint64 `json:"began"`
	Stopped   uint64 `json:"stopped"`
	Listening uint64 `json:"listening"` // in the end
}

// HasCommandLine reports whether a record has the command line of a process.
func HasCommandLine(f Finding) bool {
	has := func(owners []owner.Owner) bool {
		return slices.ContainsFunc(owners, func(o owner.Owner) bool { return len(o.Cmdline) > 0 })
	}
	behind := func(b *owner.Behind) bool { return b != nil && has(b.Owners) }
	switch f := f.(type) {
	case local.Event:
		return has(f.Owners)
	case local.Listener:
		return has(f.Owners) || behind(f.Behind)
	case local.Verdict:
		return slices.ContainsFunc(f.Redirects, func(r nat.Redirect) bool { return behind(r.Behind) }) ||
			slices.ContainsFunc(f.Trace, func(t trace.Trace) bool { return has(t.Owners) || behind(t.Behind) })
	}
	return false
}
