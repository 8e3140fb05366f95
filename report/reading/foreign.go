package reading

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"onmux/probe"
	"onmux/report/compact"
	"onmux/report/record"
)

// foreign collects what another program found open.
type foreign struct {
	source      *record.Source
	program     string
	first, last time.Time
	found       compact.Store
	noPort      uint64 // addresses without a port
	ended       bool   // the program wrote that it came to its end
	endsItself  bool   // it always does
}

// Kind is a format of another program.
type Kind struct {
	what string
	read func(*foreign, *bufio.Reader) error
}

// Detect finds the format of a report by its first line that is not empty; nil is none of
// another program. An error states what else it is.
func Detect(line []byte) (*Kind, error) {
	text := strings.TrimSpace(string(line))
	var fields map[string]json.RawMessage
	isObject := json.Unmarshal([]byte(strings.TrimRight(text, ",")), &fields) == nil
	has := func(key string) bool { _, ok := fields[key]; return ok }
	switch {
	case text == "[", strings.HasPrefix(text, "[") && strings.HasPrefix(strings.TrimSpace(text[1:]), "{"):
		return &Kind{"masscan", readArray}, nil
	case isObject && has("ip") && has("ports"):
		return &Kind{"masscan", readObjects}, nil
	case isObject && (has("ip") || has("host")) && has("port"):
		return &Kind{"naabu", readObjects}, nil
	case isObject && has("saddr"):
		return &Kind{"zmap", readObjects}, nil
	case text == "#masscan", masscanLine().MatchString(text):
		return &Kind{"masscan", readList}, nil
	case strings.Contains(","+text+",", ",saddr,"):
		return &Kind{"zmap", readCSV}, nil
	case rustScanLine().MatchString(text):
		return &Kind{"RustScan", readGreppable}, nil
	case strings.HasPrefix(text, "# Nmap") || strings.HasPrefix(text, "Starting Nmap"):
		return nil, errors.New("this is nmap's output for people (-oN or -oG): save its XML with -oX FILE")
	case strings.HasPrefix(text, "State") && strings.Contains(text, "Recv-Q"), strings.HasPrefix(text, "Netid"):
		return nil, errors.New("this is the output of ss: onmux check --all-ports -o json=FILE saves the same")
	case endpointLine().MatchString(text):
		return nil, errors.New("this is a list of addresses, without states: " +
			"onmux probe @FILE or onmux scan @FILE probes them")
	case strings.HasPrefix(text, "type,address,"):
		return nil, errors.New("this is a report as csv: save it with -o json=FILE or -o jsonl=FILE to read it again")
	case strings.HasPrefix(text, "TAP version"), strings.HasPrefix(text, "# HELP "), strings.HasPrefix(text, "ONMUX "),
		strings.HasPrefix(text, "::"), strings.HasPrefix(text, "###"):
		return nil, errors.New(
			"this is a report for other programs: save it with -o json=FILE or -o jsonl=FILE to read it again",
		)
	}
	return nil, nil
}

var (
	masscanLine  = pattern(`^(open|banner|closed) (tcp|udp|sctp) \d+ [0-9a-fA-F.:]+ \d+`)
	rustScanLine = pattern(`^[0-9a-fA-F.:]+ -> \[[0-9, ]*\]$`)
	endpointLine = pattern(`^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:]+\])(:\d{1,5})?(/\d{1,2})?$`)
)

// pattern compiles an expression when it is first needed: every start of onmux would wait for it.
func pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

// Read reads such a report as that of a scan.
func (k *Kind) Read(s *record.Source, r *bufio.Reader) error {
	f := &foreign{source: s, program: k.what}
	defer f.found.Close()
	err := k.read(f, r)
	if err != nil && f.found.Len() == 0 {
		return err
	}
	start := record.Start{Schema: record.Schema, Command: "scan", Version: f.program, Started: f.first.UTC()}
	if f.first.IsZero() {
		start.Started = time.Unix(0, 0).UTC()
	}
	if broken := s.Start(start); broken != nil {
		return broken
	}
	if broken := f.found.Merged(func(r probe.Result) error { return s.Write(r) }); broken != nil {
		return broken
	}
	whole := err == nil && (f.ended || !f.endsItself) && f.noPort == 0
	end := record.End{Finished: start.Started, Complete: whole, Summary: s.Counted(),
		Coverage: []string{"what " + f.program + " found open; what else was probed is not recorded"}}
	if !f.last.IsZero() {
		end.Finished = f.last.UTC()
	}
	switch {
	case err != nil:
		end.Coverage = append(end.Coverage, record.CutOff)
	case !f.endsItself:
		end.Coverage = append(end.Coverage, "whether "+f.program+" came to its end is not recorded")
	case !f.ended:
		end.Coverage = append(end.Coverage, record.CutOff)
	}
	if f.noPort > 0 {
		end.Coverage = append(
			end.Coverage,
			fmt.Sprintf("not read: %d addresses, of which the port is not recorded", f.noPort),
		)
	}
	if f.noPort > 0 && f.program == "zmap" {
		end.Hints = append(end.Hints, "zmap records the port with -f saddr,sport or --output-fields=saddr,sport")
	}
	if broken := s.End(end); broken != nil {
		return broken
	}
	return err
}

// add adds an open endpoint.
func (f *foreign) add(address, port, proto string, at time.Time, more probe.Result) error {
	a, err := netip.ParseAddr(strings.TrimSpace(address))
	if err != nil {
		return fmt.Errorf("%.40q is not an address", address)
	}
	if proto == "" {
		proto = probe.TCP.String()
	}
	if more.Proto.UnmarshalText([]byte(strings.ToLower(proto))) != nil {
		return nil // sctp, icmp
	}
	n, err := strconv.ParseUint(strings.TrimSpace(port), 10, 16)
	if err != nil {
		return fmt.Errorf("%.40q is not a port", port)
	}
	more.Addr, more.Port = a.Unmap(), uint16(n)
	if more.State == probe.Unknown {
		more.State = probe.Open
	}
	if !at.IsZero() {
		if f.first.IsZero() || at.Before(f.first) {
			f.first = at
		}
		if at.After(f.last) {
			f.last = at
		}
	}
	return f.found.Endpoint(more)
}

// object is a result as JSON of masscan, naabu or zmap.
type object struct {
	IP        string          `json:"ip"`
	Host      string          `json:"host"`
	Saddr     string          `json:"saddr"`
	Sport     json.Number     `json:"sport"`
	Port      json.RawMessage `json:"port"` // a number, or of naabu's old versions an object
	Protocol  string          `json:"protocol"`
	TTL       uint8           `json:"ttl"`
	Timestamp json.RawMessage `json:"timestamp"` // seconds, as text or number, or RFC 3339
	Ports     []struct {
		Port    uint16 `json:"port"`
		Proto   string `json:"proto"`
		Status  string `json:"status"`
		Reason  string `json:"reason"`
		TTL     uint8  `json:"ttl"`
		Service *struct {
			Name   string `json:"name"`
			Banner string `json:"banner"`
		} `json:"service"`
	} `json:"ports"`
	Finished int `json:"finished"` // masscan's last object, once
}

func (f *foreign) object(o object) error {
	at := timeOf(o.Timestamp)
	ip := o.IP
	if ip == "" {
		ip = o.Saddr
	}
	if ip == "" {
		ip = o.Host
	}
	var host probe.Origin
	if _, err := netip.ParseAddr(o.Host); err != nil {
		host.Host = o.Host
	}
	for _, p := range o.Ports {
		r := probe.Result{Origin: host, TTL: p.TTL}
		if r.Reason.UnmarshalText([]byte(p.Reason)) != nil {
			r.Reason = probe.NoReason // "response", of a banner
		}
		if p.Service != nil {
			r.Service = serviceOf(p.Service.Name, p.Service.Banner)
			r.State = probe.Open
		} else if r.State.UnmarshalText([]byte(p.Status)) != nil {
			r.State = probe.Open
		}
		if err := f.add(ip, strconv.Itoa(int(p.Port)), p.Proto, at, r); err != nil {
			return err
		}
	}
	port := string(o.Port)
	var nested struct{ Port json.Number }
	if json.Unmarshal(o.Port, &nested) == nil && nested.Port != "" {
		port = nested.Port.String()
	}
	if port == "" {
		port = o.Sport.String()
	}
	switch {
	case len(o.Ports) > 0 || o.Finished > 0:
		f.ended = f.ended || o.Finished > 0
		return nil
	case port == "" && ip != "":
		f.noPort++
		return nil
	case ip == "":
		return nil
	}
	return f.add(ip, strings.Trim(port, `"`), o.Protocol, at, probe.Result{Origin: host, TTL: o.TTL})
}

// timeOf reads seconds since 1970 or RFC 3339; of anything else it is zero.
func timeOf(raw []byte) time.Time {
	text := strings.Trim(string(raw), `"`)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 && n < 1<<40 {
		return time.Unix(n, 0)
	}
	at, _ := time.Parse(time.RFC3339, text)
	return at
}

// readArray reads masscan's -oJ: a list of objects, of which old versions write a comma too
// many or none at the end.
func readArray(f *foreign, r *bufio.Reader) error {
	f.endsItself = true
	for n := 1; ; n++ {
		line, err := readLine(r)
		text := strings.Trim(strings.TrimSpace(line), ",")
		text = strings.TrimSpace(strings.TrimPrefix(text, "["))
		if rest, ok := strings.CutSuffix(text, "]"); ok && (rest == "" || json.Valid([]byte(strings.Trim(rest, ", ")))) {
			text, f.ended = strings.Trim(rest, ", "), true
		}
		switch {
		case text == "{finished: 1}":
			f.ended = true
		case text != "":
			if broken := f.objects(text, n); broken != nil {
				return broken
			}
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// objects reads objects on one line, with commas between them.
func (f *foreign) objects(text string, line int) error {
	d := json.NewDecoder(strings.NewReader("[" + text + "]"))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		var o object
		if err := d.Decode(&o); err != nil {
			return fmt.Errorf("line %d: this is not a result of %s: %w", line, f.program, err)
		}
		if err := f.object(o); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
	return nil
}

// readObjects reads an object a line.
func readObjects(f *foreign, r *bufio.Reader) error {
	return f.lines(r, func(line string, n int) error { return f.objects(strings.Trim(line, ", "), n) })
}

// readList reads masscan's -oL: "open tcp 80 10.0.0.1 1700000000", and for banners "banner tcp
// 80 10.0.0.1 1700000000 http HTTP/1.1 200 OK".
func readList(f *foreign, r *bufio.Reader) error {
	f.endsItself = true
	return f.lines(r, func(line string, n int) error {
		if line == "# end" {
			f.ended = true
		}
		words := strings.SplitN(line, " ", 7)
		if strings.HasPrefix(line, "#") || len(words) < 5 {
			return nil
		}
		var r probe.Result
		if words[0] == "banner" && len(words) > 5 {
			r.Service = serviceOf(words[5], strings.Join(words[6:], " "))
		} else if r.State.UnmarshalText([]byte(words[0])) != nil {
			return fmt.Errorf("line %d: %.40q is not a result of masscan", n, line)
		}
		if err := f.add(words[3], words[2], words[1], timeOf([]byte(words[4])), r); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		return nil
	})
}

// readCSV reads zmap's table, of which the columns are chosen by who scans.
func readCSV(f *foreign, r *bufio.Reader) error {
	table := csv.NewReader(r)
	table.FieldsPerRecord = -1
	head, err := table.Read()
	if err != nil {
		return err
	}
	column := make(map[string]int)
	for i, name := range head {
		column[strings.TrimSpace(name)] = i
	}
	for {
		row, err := table.Read()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		cell := func(name string) string {
			if i, ok := column[name]; ok && i < len(row) {
				return row[i]
			}
			return ""
		}
		if cell("success") == "0" || cell("classification") == "rst" || cell("sport") == "" {
			if cell("sport") == "" && cell("saddr") != "" {
				f.noPort++
			}
			continue
		}
		result := probe.Result{}
		proto := probe.TCP.String()
		switch cell("classification") {
		case "synack":
			result.Reason = probe.SynAck
		case "udp":
			result.Reason, proto = probe.UDPResponse, probe.UDP.String()
		}
		if ttl, err := strconv.ParseUint(cell("ttl"), 10, 8); err == nil {
			result.TTL = uint8(ttl)
		}
		at := timeOf([]byte(cell("timestamp_ts")))
		if at.IsZero() {
			at, _ = time.Parse("2006-01-02T15:04:05.000-0700", cell("timestamp_str"))
		}
		if err := f.add(cell("saddr"), cell("sport"), proto, at, result); err != nil {
			line, _ := table.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// readGreppable reads RustScan's -g: "10.0.0.1 -> [22,80]".
func readGreppable(f *foreign, r *bufio.Reader) error {
	return f.lines(r, func(line string, n int) error {
		address, ports, ok := strings.Cut(line, " -> [")
		if !ok {
			return fmt.Errorf("line %d: %.40q is not a result of RustScan", n, line)
		}
		for p := range strings.SplitSeq(strings.Trim(ports, "[] "), ",") {
			if strings.TrimSpace(p) == "" {
				continue
			}
			if err := f.add(address, p, "", time.Time{}, probe.Result{}); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
		return nil
	})
}

// lines reads the lines that are not empty.
func (f *foreign) lines(r *bufio.Reader, do func(line string, n int) error) error {
	for n := 1; ; n++ {
		line, err := readLine(r)
		if text := strings.TrimSpace(line); text != "" {
			if broken := do(text, n); broken != nil {
				return broken
			}
		}
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// maxLine bounds a line, in bytes.
const maxLine = 1 << 20

func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return "", fmt.Errorf("a line is longer than %d bytes", maxLine)
		case err != bufio.ErrBufferFull:
			return string(bytes.TrimRight(line, "\r\n")), err
		}
	}
}

// maxBanner bounds a banner, in bytes.
const maxBanner = 256

// serviceOf is a service as masscan names it: a name of a protocol, or of what the banner is.
func serviceOf(name, banner string) *probe.Service {
	if len(banner) > maxBanner {
		banner = banner[:maxBanner]
	}
	quoted := strconv.QuoteToASCII(banner)
	s := &probe.Service{Name: name, Banner: quoted[1 : len(quoted)-1], Confidence: probe.Low}
	switch name {
	case "", "title", "html", "vuln", "X509", "unknown":
		s.Name = record.Unknown
	}
	return s
}
