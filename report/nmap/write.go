package nmap

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/compact"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// maxSingly bounds the addresses of ranges that become hosts of their own in
// nmap's XML, which has no word for a range.
const maxSingly = 1 << 16

// writer writes nmap's XML, but for the name of the scanner, which the DTD fixes and which
// we don't pretend to be. A host's ports stand together there, so all of them wait for the
// end. Where our states and reasons are finer than nmap's, its nearest is written, and ours
// in a script element with the evidence.
type writer struct {
	record.Nop
	w          io.Writer
	x          *xml.Encoder
	run        xml.StartElement
	command    string
	found      compact.Store // endpoints
	ranges     compact.Store
	registered func(probe.Port) string // the name of a port, or ""
}

// New returns a writer of the XML to w.
func New(w io.Writer, o record.Options) record.Handler {
	registered := o.PortName
	if registered == nil {
		registered = func(probe.Port) string { return "" }
	}
	x := xml.NewEncoder(w)
	x.Indent("", " ")
	return &writer{w: w, x: x, registered: registered}
}

// Start writes the head.
func (n *writer) Start(s record.Start) error {
	if err := Fits(s.Command); err != nil {
		return err
	}
	n.command = s.Command
	started := s.Started.UTC()
	n.run = element("nmaprun", "scanner", "onmux", "args", "onmux "+s.Command, "start",
		strconv.FormatInt(started.Unix(), 10),
		"startstr", started.Format(time.ANSIC), "version", phrase.Visible(s.Version), "xmloutputversion", "1.05")
	if _, err := io.WriteString(n.w, xml.Header+"<!DOCTYPE nmaprun>\n"); err != nil {
		return err
	}
	err := n.x.EncodeToken(n.run)
	for _, name := range []string{"verbose", "debugging"} {
		e := element(name, "level", "0")
		err = cmp.Or(err, n.x.EncodeToken(e), n.x.EncodeToken(e.End()))
	}
	return cmp.Or(err, n.x.Flush())
}

// element begins one with attributes, each a name and a value.
func element(name string, attributes ...string) xml.StartElement {
	e := xml.StartElement{Name: xml.Name{Local: name}}
	for pair := range slices.Chunk(attributes, 2) {
		e.Attr = append(e.Attr, xml.Attr{Name: xml.Name{Local: pair[0]}, Value: pair[1]})
	}
	return e
}

// Fits reports what is wrong with this format for the records of a command.
func Fits(command string) error {
	if command == "verify" || command == "diff" {
		return fmt.Errorf("%s has no endpoints to write", command)
	}
	return nil
}

// Endpoint keeps it for its host.
func (n *writer) Endpoint(r probe.Result) error { return n.found.Endpoint(r) }

// Range keeps it for its hosts.
func (n *writer) Range(r scan.Range) error { return n.ranges.Range(r) }

// Listener keeps a socket of this machine as an open port.
func (n *writer) Listener(l local.Listener) error {
	if l.State != local.Listening || record.Elsewhere(l) {
		return nil
	}
	r := probe.Result{Endpoint: probe.Endpoint{Addr: l.Address, Port: l.Port, Proto: l.Proto}, State: probe.Open}
	return n.found.Weak(r) // an endpoint or a range states more
}

// End writes the hosts.
func (n *writer) End(e record.End) error {
	defer n.found.Close()
	defer n.ranges.Close()
	if err := n.single(); err != nil {
		return err
	}
	count, err := n.writeHosts()
	if err != nil {
		return err
	}
	at := e.Finished.UTC()
	f := finished{
		Time: at.Unix(), TimeStr: at.Format(time.ANSIC), Exit: "success", Summary: phrase.Tally(n.command,
			e.Summary.States),
		Elapsed: strconv.FormatFloat(time.Duration(e.Summary.Duration).Seconds(), 'f', 2, 64),
	}
	if !e.Complete {
		f.Exit, f.ErrorMsg = "error", phrase.Visible("incomplete: "+strings.Join(e.Coverage, "; "))
	}
	err = cmp.Or(n.x.Encode(runStats{Finished: f, Hosts: count}), n.x.EncodeToken(n.run.End()), n.x.Close())
	if err == nil {
		_, err = io.WriteString(n.w, "\n")
	}
	return err
}

// single makes hosts of the addresses of ranges, as many as fit; the others are a comment.
func (n *writer) single() error {
	left := uint64(maxSingly)
	for i := range n.ranges.Len() {
		item, err := n.ranges.At(uint32(i))
		if err != nil {
			return err
		}
		s := item.Range()
		if s.Count > left {
			text := fmt.Sprintf(" %s to %s, port %d/%s: %d addresses are %s, and not listed ",
				s.First, s.Last, s.Port, s.Proto, s.Count, s.State)
			// No comment may hold two hyphens, but a zone may.
			if err := n.x.EncodeToken(xml.Comment(strings.ReplaceAll(phrase.Visible(text), "--", "‐‐"))); err != nil {
				return err
			}
			continue
		}
		left -= s.Count
		a := s.First
		for range s.Count {
			if err := n.found.Endpoint(record.At(s, a)); err != nil {
				return err
			}
			a = a.Next()
		}
	}
	return nil
}

// writeHosts writes all hosts and counts them.
func (n *writer) writeHosts() (count hosts, err error) {
	var h hostResults
	write := func() error {
		if len(h.results) == 0 {
			return nil
		}
		e := n.host(&h)
		if count.Total++; e.Status.State == "up" {
			count.Up++
		} else {
			count.Down++
		}
		h = hostResults{results: h.results[:0]}
		return n.x.Encode(e)
	}
	for _, i := range n.found.ByAddress() {
		item, err := n.found.At(i)
		if err != nil {
			return count, err
		}
		if len(h.results) > 0 && h.results[0].Addr != item.Addr {
			if err := write(); err != nil {
				return count, err
			}
		}
		h.add(item.Result, i)
	}
	return count, write()
}

// hostResults is what was found of one host, by protocol and port.
type hostResults struct {
	results []probe.Result
	name    string
	named   uint32 // which record has the name
}

// add adds the record number i. Of two for one port, the last counts, and so does the
// last name.
func (h *hostResults) add(r probe.Result, i uint32) {
	if r.Host != "" && i >= h.named {
		h.name, h.named = r.Host, i
	}
	if n := len(h.results); n > 0 && h.results[n-1].Endpoint == r.Endpoint {
		h.results[n-1] = r
		return
	}
	h.results = append(h.results, r)
}

// host makes the element of one host. nmap takes every host for up that was not found
// unreachable.
func (n *writer) host(found *hostResults) host {
	results := found.results
	a := results[0].Addr
	h := host{
		Status:    status{State: "down", Reason: reasonName(results[0].Reason), TTL: results[0].TTL},
		Addresses: []address{{phrase.Visible(a.String()), "ipv4"}},
	}
	if a.Is6() {
		h.Addresses[0].Type = "ipv6"
	}
	if name := found.name; name != "" {
		h.Names = []hostname{{phrase.Visible(name), "user"}}
	}
	for _, r := range results {
		if r.State != probe.Unreachable {
			h.Status.State = "up"
		}
		if r.RTT > 0 && h.Times == nil {
			us := time.Duration(r.RTT).Microseconds()
			h.Times = &times{us, us / 2, max(4*us, 100_000)}
		}
		h.Ports = append(h.Ports, n.port(r))
	}
	return h
}

func (n *writer) port(r probe.Result) port {
	p := port{
		Proto: r.Proto.String(), Number: r.Port,
		State: status{State: stateName(r.State), Reason: reasonName(r.Reason), TTL: r.TTL},
	}
	if r.Responder.IsValid() {
		p.State.By = phrase.Visible(r.Responder.String())
	}
	s := r.Service
	name := n.registered(probe.Port{Number: r.Port, Proto: r.Proto})
	switch {
	case name != "" && (s == nil || s.Name == record.Unknown):
		// As nmap does, and like it with a word for where the name is from.
		p.Service = &service{Name: name, Method: "table", Conf: 3}
	case s != nil:
		p.Service = &service{
			Name: phrase.Visible(s.Name), Product: phrase.Visible(s.Product), Version: phrase.Visible(s.Version),
			Method: "probed", Conf: map[probe.Confidence]int{probe.High: 10, probe.Medium: 7,
				probe.Low: 3}[s.Confidence],
		}
	}
	// No evidence: what of it differs in every run, as times and ports do, is a change to
	// ndiff, and ndiff 7.93 breaks where nothing else is.
	if text := phrase.Join(r.State.String(), r.Error, r.Notes...); text != p.State.State {
		p.Script = &script{"onmux", phrase.Visible(text)}
	}
	return p
}

// stateName is the state in the words that nmap has for ports.
func stateName(s probe.State) string {
	switch s {
	case probe.Unreachable:
		return probe.Filtered.String()
	case probe.Unknown:
		return "unknown"
	}
	return s.String()
}

// reasonName is the reason in nmap's words; ours are its words but for two.
func reasonName(r probe.Reason) string {
	switch r {
	case probe.NoReason:
		return "unknown-response"
	case probe.NoNeighbor:
		return "no-response"
	}
	return r.String()
}
