package report

import (
	"encoding/csv"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/ports"
	"onmux/scan"
)

// csvHead has the fields of every row. What a record does not have is empty.
var csvHead = []string{"type", "address", "last", "count", "port", "proto", "state", "reason", "rtt_ms", "tries",
	"host", "responder", "confidence", "service", "product", "version", "reach", "netns", "pid", "process", "user", "unit",
	"expected", "actual", "text"}

// csvHandler writes a table (RFC 4180): a row for each record, for each owner
// of a socket, and in the end one that says whether that was all.
type csvHandler struct {
	csv     *csv.Writer
	command string
	row     [25]string
}

func newCSV(w io.Writer, _ Options) Handler {
	return &csvHandler{csv: csv.NewWriter(w)}
}

func (c *csvHandler) Start(s Start) error {
	c.command = s.Command
	c.csv.UseCRLF = true
	return c.write(slices.Clone(csvHead))
}

// cell names a column.
type cell int

const (
	cType cell = iota
	cAddress
	cLast
	cCount
	cPort
	cProto
	cState
	cReason
	cRTT
	cTries
	cHost
	cResponder
	cConfidence
	cService
	cProduct
	cVersion
	cReach
	cNetNS
	cPID
	cProcess
	cUser
	cUnit
	cExpected
	cActual
	cText
)

func (c *csvHandler) Finding(f Finding) error {
	c.row = [25]string{cType: f.Kind()}
	switch f := f.(type) {
	case probe.Result:
		c.endpoint(f)
	case probe.Attempt:
		c.endpoint(probe.Result{Endpoint: f.Endpoint, Host: f.Host, State: f.State, Reason: f.Reason, RTT: f.RTT, Tries: f.Try, Responder: f.Responder, Error: f.Error})
		c.row[cText] = lines(f.Time.UTC().Format(time.RFC3339Nano), f.Error)
	case scan.Range:
		c.span(f)
	case local.Listener:
		return c.listener(f)
	case local.Verdict:
		c.at(netip.Addr{}, f.Port, f.Proto)
		c.row[cState], c.row[cText] = string(f.Verdict), lines(f.Why, f.Error, f.Bind...)
	case ports.Info:
		c.row[cPort] = strconv.Itoa(int(f.Port))
		var names []string
		for _, n := range f.Names {
			names = append(names, n.Name+"/"+n.Proto.String()+" ("+n.Source+")")
		}
		c.row[cText] = lines(strings.Join(names, ", "), "", f.Notes...)
	case Change:
		c.at(f.Address, f.Port, f.Proto)
		if f.Last.IsValid() {
			c.row[cLast] = f.Last.String()
		}
		c.row[cCount], c.row[cState], c.row[cConfidence] = natural(f.Count), f.What, string(f.Confidence)
		c.row[cExpected], c.row[cActual], c.row[cText] = f.Old, f.New, strings.Join(f.Notes, "; ")
	case Rule:
		c.row[cState], c.row[cExpected], c.row[cText] = f.Outcome.String(), f.Name, lines(f.Found, f.Error)
	case Violation:
		c.row[cAddress], c.row[cProto] = f.Address, f.Proto
		if f.Port > 0 {
			c.row[cPort] = strconv.Itoa(int(f.Port))
		}
		c.row[cExpected], c.row[cActual], c.row[cText] = f.Expected, f.Actual, f.subject()
	}
	return c.write(c.row[:])
}

func (c *csvHandler) at(a netip.Addr, port uint16, proto probe.Proto) {
	if a.IsValid() {
		c.row[cAddress] = a.String()
	}
	c.row[cPort], c.row[cProto] = strconv.Itoa(int(port)), proto.String()
}

func (c *csvHandler) endpoint(r probe.Result) {
	c.at(r.Addr, r.Port, r.Proto)
	c.row[cState], c.row[cReason], c.row[cTries] = r.State.String(), r.Reason.String(), natural(uint64(r.Tries))
	if r.RTT > 0 {
		c.row[cRTT] = milliseconds(r.RTT)
	}
	if r.Responder.IsValid() {
		c.row[cResponder] = r.Responder.String()
	}
	c.row[cHost], c.row[cConfidence] = r.Host, string(r.Confidence)
	if s := r.Service; s != nil {
		c.row[cService], c.row[cProduct], c.row[cVersion] = s.Name, s.Product, s.Version
	}
	c.row[cText] = lines(strings.Join(r.Notes, "; "), r.Error)
}

func (c *csvHandler) span(r scan.Range) {
	c.at(r.First, r.Port, r.Proto)
	c.row[cLast], c.row[cCount] = r.Last.String(), natural(r.Count)
	c.row[cState], c.row[cReason], c.row[cTries] = r.State.String(), r.Reason.String(), natural(uint64(r.Tries))
	if r.Responder.IsValid() {
		c.row[cResponder] = r.Responder.String()
	}
	c.row[cText] = lines(strings.Join(r.Notes, "; "), r.Error)
}

func (c *csvHandler) listener(l local.Listener) error {
	c.at(l.Address, l.Port, l.Proto)
	c.row[cState], c.row[cReach], c.row[cNetNS], c.row[cText] = string(l.State), l.Reach, l.NetNS, l.Peer
	if l.UID != nil {
		c.row[cUser] = strconv.FormatUint(uint64(*l.UID), 10)
	}
	if len(l.Owners) == 0 {
		return c.write(c.row[:])
	}
	for _, o := range l.Owners {
		c.row[cPID], c.row[cProcess], c.row[cUnit] = strconv.Itoa(o.PID), o.Name, o.Unit
		if o.User != "" {
			c.row[cUser] = o.User
		}
		if err := c.write(c.row[:]); err != nil {
			return err
		}
	}
	return nil
}

func (c *csvHandler) End(e End) error {
	state := "complete"
	if !e.Complete {
		state = "incomplete"
	}
	c.row = [25]string{cType: "summary", cCount: strconv.FormatUint(e.Summary.Targets, 10), cState: state,
		cText: lines(tallied(c.command, e.Summary.States), "", e.Coverage...)}
	return c.write(c.row[:])
}

// write writes a row in which nothing is a formula: a cell that a spreadsheet
// would take for one begins with an apostrophe instead, and so does one that
// began with an apostrophe, so that taking it away gives the text back.
func (c *csvHandler) write(row []string) error {
	for i, s := range row {
		if s == "" {
			continue
		}
		if s = Visible(s); strings.ContainsAny(firstRune(s), "=+-@＝＋－＠'") {
			s = "'" + s
		}
		row[i] = s
	}
	if err := c.csv.Write(row); err != nil {
		return err
	}
	c.csv.Flush()
	return c.csv.Error()
}

// firstRune is where a formula shows. Spreadsheets of East Asia take the wide
// signs for the narrow ones (OWASP, CSV Injection).
func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

// lines joins what there is to say.
func lines(first, second string, more ...string) string {
	var parts []string
	for _, s := range append([]string{first, second}, more...) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, "; ")
}

// natural is a number, or nothing for none.
func natural(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
