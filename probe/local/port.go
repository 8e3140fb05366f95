package local

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
	"onmux/probe/ports"
)

// Port is what is known of a port number, whoever uses it, and the record of
// type "port". What is not known is nil.
type Port struct {
	Port      uint16        `json:"port"`
	Protos    []probe.Proto `json:"protos"`          // what was asked about; the rest is told for both
	Names     []Name        `json:"names,omitempty"` // IANA's first; this machine's where it has others
	Services  Services      `json:"services"`
	Range     Range         `json:"range"`
	LowFrom   *int          `json:"unprivileged_from,omitempty"` // ports below it take a privilege to bind, 0 to 65536
	MayBind   *bool         `json:"may_bind,omitempty"`          // whether the caller's privileges suffice; the port may still be in use
	Ephemeral *bool         `json:"ephemeral,omitempty"`         // whether it lies between Local's ends
	Local     *Span         `json:"ephemeral_range,omitempty"`   // where the kernel takes ports for connections from
	Reserved  *bool         `json:"reserved,omitempty"`          // kept out of that, on this machine
	Notes     []string      `json:"notes,omitempty"`             // what is known of this system only in general
	Story     []ports.Fact  `json:"story,omitempty"`
}

// Kind names the record's type in documents.
func (Port) Kind() string { return "port" }

// Name is a port's name for one protocol, and who calls it so.
type Name struct {
	Name   string      `json:"name"`
	Proto  probe.Proto `json:"proto"`
	Source string      `json:"source"`
}

// Span is a range of ports, both ends included.
type Span struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
}

// Has reports whether a port is in it.
func (s Span) Has(port uint16) bool { return s.First <= port && port <= s.Last }

// Range is one of the three that RFC 6335, section 6, divides the ports into.
type Range string

// The ranges.
const (
	System  Range = "system"  // 0-1023, also called well-known
	User    Range = "user"    // 1024-49151, also called registered
	Dynamic Range = "dynamic" // 49152-65535, never assigned
)

// Ranges lists them from the lowest.
func Ranges() []Range { return []Range{System, User, Dynamic} }

// Span is where a range lies.
func (r Range) Span() Span {
	switch r {
	case System:
		return Span{0, 1023}
	case User:
		return Span{1024, 49151}
	}
	return Span{49152, 65535}
}

// RangeOf is the range of a port.
func RangeOf(port uint16) Range {
	for _, r := range Ranges() {
		if r.Span().Has(port) {
			return r
		}
	}
	return Dynamic
}

// Services is what this machine's own table says of a port.
type Services struct {
	File  string    `json:"file"`
	Lines []Service `json:"lines,omitempty"`
	Error string    `json:"error,omitempty"` // why the file, or some of it, could not be read
}

// Service is one line of services(5).
type Service struct {
	Line    int      `json:"line"` // from 1
	Name    string   `json:"name"`
	Port    uint16   `json:"-"`
	Proto   string   `json:"proto"` // as it stands there; sctp and others too
	Aliases []string `json:"aliases,omitempty"`
	Comment string   `json:"comment,omitempty"`
}

// Bounds of what is read of a services file, and of what is told of it.
const (
	maxServices    = 8 << 20 // bytes; nmap's table has 1 MB
	maxServiceLine = 4 << 10
	maxServiceTold = 64 // lines for one port
)

// Machine is what this machine says of all ports, read once.
type Machine struct {
	settings
	file     string
	services []Service
	failed   string
}

// settings are what the system says about binding ports; nil is not known.
type settings struct {
	lowFrom    *int
	privileged *bool // whether the caller may bind below lowFrom
	ephemeral  *Span
	reserved   []Span
	readable   bool   // reserved was read
	ipv6       string // what binding meets for want of IPv6; "" is nothing
	general    func(port uint16) []string
	coverage   []string
}

// ReadMachine reads it. What cannot be read is left unknown, and the coverage
// says so.
func ReadMachine() *Machine { return readMachine(servicesFile()) }

func readMachine(services string) *Machine {
	m := &Machine{settings: readSettings(), file: services}
	f, err := os.Open(m.file)
	if err == nil {
		m.services, err = parseServices(f)
		f.Close()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		m.failed = "there is no such file"
	case err != nil:
		if cause := errors.Unwrap(err); cause != nil {
			err = cause // without the path, which is told beside it
		}
		m.failed = "it could not be read: " + err.Error()
	}
	return m
}

// Coverage says what was looked at, a sentence each.
func (m *Machine) Coverage() []string {
	said := []string{
		"IANA's names as of " + ports.NamesAsOf + ", one for a port and protocol; none for ports that are registered as a range",
		"this machine's names: " + m.file + "; other sources of names that it may be set up to ask were not asked",
	}
	if m.failed != "" {
		said[1] = fmt.Sprintf("this machine's names: %s: %s", m.file, m.failed)
	}
	return append(said, m.coverage...)
}

// Numbers are the ports that go by a name, or an alias, on this machine or at
// IANA, from the lowest up. Case does not matter.
func (m *Machine) Numbers(name string, protos []probe.Proto) []uint16 {
	var found []uint16
	for _, p := range protos {
		found = append(found, ports.PortNumbers(name, p)...)
	}
	for _, s := range m.services {
		same := func(n string) bool { return strings.EqualFold(n, name) }
		if slices.ContainsFunc(protos, func(p probe.Proto) bool { return p.String() == s.Proto }) && (same(s.Name) || slices.ContainsFunc(s.Aliases, same)) {
			found = append(found, s.Port)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Port is what is known of one port, asked about for some protocols.
func (m *Machine) Port(port uint16, protos []probe.Proto) Port {
	p := Port{
		Port: port, Protos: protos, Range: RangeOf(port), Story: ports.Story(port),
		Services: Services{File: m.file, Error: m.failed},
		LowFrom:  m.lowFrom, Local: m.ephemeral,
	}
	for _, proto := range probe.Protos() {
		if name := ports.PortName(probe.Port{Number: port, Proto: proto}); name != "" {
			p.Names = append(p.Names, Name{name, proto, "IANA"})
		}
	}
	for _, s := range m.services {
		if s.Port == port && len(p.Services.Lines) < maxServiceTold {
			p.Services.Lines = append(p.Services.Lines, s)
			p.name(s, m.file)
		}
	}
	switch {
	case m.lowFrom == nil:
	case int(port) >= *m.lowFrom:
		p.MayBind = new(true)
	case m.privileged != nil:
		p.MayBind = new(*m.privileged)
	}
	if m.ephemeral != nil {
		p.Ephemeral = new(m.ephemeral.Has(port))
	}
	if m.readable {
		p.Reserved = new(slices.ContainsFunc(m.reserved, func(s Span) bool { return s.Has(port) }))
	}
	if m.general != nil {
		p.Notes = m.general(port)
	}
	return p
}

// name adds a line's name, if it is for TCP or UDP and nobody gave it before.
func (p *Port) name(s Service, file string) {
	n := Name{Name: s.Name, Source: file}
	if n.Proto.UnmarshalText([]byte(s.Proto)) != nil {
		return
	}
	if !slices.ContainsFunc(p.Names, func(o Name) bool { return o.Name == n.Name && o.Proto == n.Proto }) {
		p.Names = append(p.Names, n)
	}
}

// parseServices reads services(5): a line is a name, port/protocol and aliases,
// then a comment. Lines that are none are passed over, as the C library does.
// With an error it returns what it read before.
func parseServices(r io.Reader) ([]Service, error) {
	var all []Service
	lines := bufio.NewScanner(io.LimitReader(r, maxServices+1))
	lines.Buffer(nil, maxServiceLine)
	read := 0
	for n := 1; lines.Scan(); n++ {
		if s, ok := parseService(lines.Text()); ok {
			s.Line = n
			all = append(all, s)
		}
		if read += len(lines.Bytes()) + 1; read > maxServices {
			return all, fmt.Errorf("it is longer than %d bytes", maxServices)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return all, fmt.Errorf("a line is longer than %d bytes", maxServiceLine)
	}
	return all, lines.Err()
}

func parseService(line string) (Service, bool) {
	rule, comment, _ := strings.Cut(line, "#")
	fields := strings.Fields(rule)
	if len(fields) < 2 {
		return Service{}, false
	}
	number, proto, ok := strings.Cut(fields[1], "/")
	if !ok { // the C library takes "80,tcp" as well
		number, proto, _ = strings.Cut(fields[1], ",")
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || proto == "" {
		return Service{}, false
	}
	return Service{Name: fields[0], Port: uint16(n), Proto: proto,
		Aliases: slices.Clone(fields[2:]), Comment: strings.TrimSpace(comment)}, true
}

// parseSpans reads a list of ports as Linux writes it, "1,5-9"; an empty one is
// a list too.
func parseSpans(s string) ([]Span, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, nil
	}
	var spans []Span
	for item := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(item, "-")
		if !isRange {
			last = first
		}
		span, err := parseSpan(first, last)
		if err != nil {
			return nil, err
		}
		spans = append(spans, span)
	}
	return spans, nil
}

func parseSpan(first, last string) (Span, error) {
	from, err := strconv.ParseUint(first, 10, 16)
	to, err2 := strconv.ParseUint(last, 10, 16)
	if err != nil || err2 != nil || from > to {
		return Span{}, fmt.Errorf("%q to %q is no range of ports", first, last)
	}
	return Span{uint16(from), uint16(to)}, nil
}
