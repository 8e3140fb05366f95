package record

import (
	"time"

	"onmux/probe"
)

// Verbosity is how much the text has.
type Verbosity int

// The degrees of Verbosity.
const (
	Normal  Verbosity = iota
	Quiet             // only the verdicts, one a line
	Verbose           // every record and every piece of evidence
)

// Options are what a handler may know of its reader.
type Options struct {
	Width     int  // columns of the terminal; 0 means that it is none, and nothing is cut or wrapped
	Color     bool // whether the text is coloured
	ASCII     bool // whether the terminal shows nothing else
	Verbosity Verbosity
	Live      bool // somebody waits for each finding: they are written as they come
	// sockets in other network namespaces have rows of their own in a table of all ports
	AllNamespaces bool
	Each          bool // a line for each endpoint: none are grouped
	AtOnce        bool // findings come all at once, right before the end: nobody waits for one
	// writes what the format "template" makes of a finding, line by line; nil where no output has it
	Template func(f Finding, write func(line []byte) error) error
	PortName func(probe.Port) string // a port's registered name, or ""; may be nil
	Title    string                  // of what is monitored; "" is ONMUX
	Job      string                  // of a report that has none
	Stamp    bool                    // each line of jsonl has the time and the run's id
	Now      func() time.Time        // for these times; of a saved report nil
}
