package ci

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
	"onmux/probe/listen"
	"onmux/probe/local"
	"onmux/probe/ports"
	"onmux/report/phrase"
	"onmux/report/phrase/arrival"
	"onmux/report/phrase/passing"
	"onmux/report/record"
	"onmux/scan"
	"onmux/scan/wire"
)

// csvHead has the fields of every row. What a record does not have is empty.
var csvHead = []string{"type", "address", "last", "count", "port", "proto", "state", "reason", "rtt_ms", "tries",
	"host", "responder", "confidence", "service", "product", "version", "reach", "netns", "pid", "process", "user",
	"unit",
	"expected", "actual", "text", "rule", "hosts", "client", "mac", "zone"}

// csvHandler writes a table (RFC 4180): a row for each record, for each owner
// of a socket, and at the end one that states whether that was everything.
type csvHandler struct {
	csv     *csv.Writer
	command string
	row     csvRow
}

// csvRow is a row by the columns of cell.
type csvRow [cells]string

func NewCSV(w io.Writer, _ record.Options) record.Handler {
	return &csvHandler{csv: csv.NewWriter(w)}
}

// Start writes the head.
func (c *csvHandler) Start(s record.Start) error {
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
	cRule
	cHosts
	cClient
	cMAC
	cZone
	cells // their number
)

// begin clears the row for a record of a type.
func (c *csvHandler) begin(f record.Finding) {
	c.row = csvRow{cType: f.Kind(), cZone: record.ZoneOf(f)}
}

// Endpoint writes a row.
// End writes a row that states whether that was everything.
func (c *csvHandler) Endpoint(r probe.Result) error {
	c.begin(r)
	c.endpoint(r)
	return c.write(c.row[:])
}

// Attempt writes the row of an endpoint that was asked once.
func (c *csvHandler) Attempt(a probe.Attempt) error {
	c.begin(a)
	c.endpoint(record.Asked(a))
	c.row[cText] = phrase.Join(a.Time.UTC().Format(time.RFC3339Nano), a.Error)
	return c.write(c.row[:])
}

// Verdict writes a row.
func (c *csvHandler) Verdict(v local.Verdict) error {
	c.begin(v)
	c.at(netip.Addr{}, v.Port, v.Proto)
	c.row[cState], c.row[cText] = string(v.Verdict), phrase.Join(v.Why, v.Error, v.Bind...)
	return c.write(c.row[:])
}

// Port writes a row.
func (c *csvHandler) Port(p ports.Info) error {
	c.begin(p)
	c.row[cPort], c.row[cText] = strconv.Itoa(int(p.Port)), phrase.Join(phrase.Names(p), "", p.Notes...)
	return c.write(c.row[:])
}

// Change writes a row; what was stands as expected.
func (c *csvHandler) Change(ch record.Change) error {
	c.begin(ch)
	c.at(ch.Address, ch.Port, ch.Proto)
	if ch.Last.IsValid() {
		c.row[cLast] = ch.Last.String()
	}
	c.row[cCount], c.row[cState], c.row[cConfidence] = natural(ch.Count), ch.What, string(ch.Confidence)
	c.row[cExpected], c.row[cActual], c.row[cText] = ch.Old, ch.New, strings.Join(ch.Notes, "; ")
	c.row[cZone] = ch.Zone
	return c.write(c.row[:])
}

// Rule writes a row.
func (c *csvHandler) Rule(r record.Rule) error {
	c.begin(r)
	c.row[cState], c.row[cText], c.row[cRule] = r.Outcome.String(), phrase.Join(r.Found, r.Error), r.Name
	return c.write(c.row[:])
}

// Violation writes a row.
func (c *csvHandler) Violation(v record.Violation) error {
	c.begin(v)
	c.row[cAddress], c.row[cProto] = v.Address, v.Proto
	if v.Port > 0 {
		c.row[cPort] = strconv.Itoa(int(v.Port))
	}
	c.row[cExpected], c.row[cActual], c.row[cText], c.row[cRule] = v.Expected, v.Actual, v.What, v.Rule
	c.row[cZone] = v.Zone
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
		c.row[cRTT] = phrase.Milliseconds(r.RTT)
	}
	if r.Responder.IsValid() {
		c.row[cResponder] = r.Responder.String()
	}
	c.row[cMAC] = r.MAC
	c.row[cHost], c.row[cHosts], c.row[cConfidence] = r.Host, strings.Join(r.Hosts, " "), string(r.Confidence)
	if s := r.Service; s != nil {
		c.row[cService], c.row[cProduct], c.row[cVersion] = s.Name, s.Product, s.Version
	}
	c.row[cText] = phrase.Join(strings.Join(r.Notes, "; "), r.Error)
}

// Range writes a row.
func (c *csvHandler) Range(r scan.Range) error {
	c.begin(r)
	c.at(r.First, r.Port, r.Proto)
	c.row[cLast], c.row[cCount] = r.Last.String(), natural(r.Count)
	c.row[cState], c.row[cReason], c.row[cTries] = r.State.String(), r.Reason.String(), natural(uint64(r.Tries))
	if r.Responder.IsValid() {
		c.row[cResponder] = r.Responder.String()
	}
	c.row[cText] = phrase.Join(strings.Join(r.Notes, "; "), r.Error)
	return c.write(c.row[:])
}

// Listener writes a row for each owner of the socket.
func (c *csvHandler) Listener(l local.Listener) error {
	c.begin(l)
	return c.socket(l, string(l.State), l.Peer)
}

// Event writes such rows of a socket that began or stopped listening.
func (c *csvHandler) Event(e local.Event) error {
	c.begin(e)
	return c.socket(e.Listener, string(e.Event), e.Time.Format(time.RFC3339))
}

// Arrival writes a row, whose address is the client's.
func (c *csvHandler) Arrival(a listen.Arrival) error {
	c.begin(a)
	c.at(a.Client, a.Port, a.Proto)
	c.row[cText] = phrase.Join(a.Time.Format(time.RFC3339), "", arrival.Line(a)...)
	return c.write(c.row[:])
}

// Flow writes a row: what passed between a client and an endpoint.
func (c *csvHandler) Flow(f wire.Flow) error {
	c.begin(f)
	c.at(f.Addr, f.Port, f.Proto)
	c.row[cState], c.row[cReason], c.row[cTries] = f.State.String(), f.Reason.String(), natural(uint64(f.Tries))
	c.row[cCount], c.row[cClient] = natural(f.Connections), passing.Client(f)
	if f.RTT > 0 {
		c.row[cRTT] = phrase.Milliseconds(f.RTT)
	}
	c.row[cText] = phrase.Join(passing.Period(f.First, f.Last), "", passing.Flow(f)...)
	return c.write(c.row[:])
}

func (c *csvHandler) socket(l local.Listener, state, text string) error {
	c.at(l.Address, l.Port, l.Proto)
	c.row[cState], c.row[cReach], c.row[cNetNS], c.row[cText] = state, l.Reach, l.NetNS, text
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

// End writes a row that states whether that was everything.
func (c *csvHandler) End(e record.End) error {
	state := "complete"
	if !e.Complete {
		state = "incomplete"
	}
	c.row = csvRow{cType: "summary", cCount: strconv.FormatUint(e.Summary.Targets, 10), cState: state,
		cText: phrase.Join(phrase.Tally(c.command, e.Summary.States), "", e.Coverage...)}
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
		s = strings.ReplaceAll(s, phrase.NoBreak, " ")
		if s = phrase.Visible(s); strings.ContainsAny(firstRune(s), "=+-@＝＋－＠'") {
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

// natural is a number, or nothing for none.
func natural(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
