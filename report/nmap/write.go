package nmap

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
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
// in a comment, which our reader understands and every other ignores.
type writer struct {
	record.Nop
	out        *bufio.Writer
	start      record.Start
	found      compact.Store // endpoints
	ranges     compact.Store
	asked      [2]portSet              // by protocol
	names      []probe.Result          // that have no address
	registered func(probe.Port) string // the name of a port, or ""
	count      hosts
}

// New returns a writer of the XML to w.
func New(w io.Writer, o record.Options) record.Handler {
	registered := o.PortName
	if registered == nil {
		registered = func(probe.Port) string { return "" }
	}
	return &writer{out: bufio.NewWriter(w), registered: registered}
}

// Start keeps s.
func (n *writer) Start(s record.Start) error {
	n.start = s
	return Fits(s.Command)
}

// Fits reports what is wrong with this format for the records of a command.
func Fits(command string) error {
	if command == "verify" || command == "diff" {
		return fmt.Errorf("%s has no endpoints to write", command)
	}
	return nil
}

// Endpoint keeps it for its host.
func (n *writer) Endpoint(r probe.Result) error {
	n.ask(r.Port, r.Proto)
	if !r.Addr.IsValid() {
		n.names = append(n.names, r)
		return nil
	}
	return n.found.Endpoint(r)
}

// Range keeps it for its hosts.
func (n *writer) Range(r scan.Range) error {
	n.ask(r.Port, r.Proto)
	return n.ranges.Range(r)
}

// Listener keeps a socket of this machine as an open port.
func (n *writer) Listener(l local.Listener) error {
	if l.State != local.Listening || record.Elsewhere(l) {
		return nil
	}
	n.ask(l.Port, l.Proto)
	r := probe.Result{Endpoint: probe.Endpoint{Addr: l.Address, Port: l.Port, Proto: l.Proto}, State: probe.Open}
	return n.found.Weak(r) // an endpoint or a range states more
}

func (n *writer) ask(port uint16, proto probe.Proto) {
	if i := slices.Index(probe.Protos(), proto); i >= 0 {
		n.asked[i].add(port)
	}
}

// End writes everything.
func (n *writer) End(e record.End) error {
	defer n.found.Close()
	defer n.ranges.Close()
	n.head()
	if err := cmp.Or(n.single(), n.writeHosts()); err != nil {
		return err
	}
	for _, r := range n.names {
		n.comment(fmt.Sprintf("%s is %s: %s", record.Place(r), r.State, r.Error))
		n.own(kept{Host: r.Host, Proto: r.Proto.String(), Ports: strconv.Itoa(int(r.Port)), State: r.State, Error: r.Error})
	}
	at := e.Finished.UTC()
	exit := []string{"exit", "success"}
	if !e.Complete {
		exit = []string{"exit", "error", "errormsg", "incomplete: " + strings.Join(e.Coverage, "; ")}
	}
	n.line("<runstats>" + element("finished", append([]string{
		"time", strconv.FormatInt(at.Unix(), 10), "timestr", at.Format(time.ANSIC), "summary",
		phrase.Tally(n.start.Command, e.Summary.States), "elapsed",
		strconv.FormatFloat(time.Duration(e.Summary.Duration).Seconds(), 'f', 2, 64)}, exit...)...) +
		element("hosts", "up", strconv.FormatUint(n.count.Up, 10), "down", strconv.FormatUint(n.count.Down, 10), "total",
			strconv.FormatUint(n.count.Total, 10)))
	n.line("</runstats>\n</nmaprun>")
	return n.out.Flush()
}

// head writes what stands before the hosts.
func (n *writer) head() {
	started := n.start.Started.UTC()
	args := "onmux " + n.start.Command
	if len(n.start.Args) > 0 {
		args = "onmux " + phrase.CommandLine(n.start.Args)
	}
	n.line(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<!DOCTYPE nmaprun>")
	n.line(strings.TrimSuffix(element("nmaprun", "scanner", "onmux", "args", args, "start",
		strconv.FormatInt(started.Unix(), 10), "startstr", started.Format(time.ANSIC), "version", n.start.Version,
		"xmloutputversion", "1.05"), "/>") + ">")
	for i, proto := range probe.Protos() {
		if ports := n.asked[i].String(); ports != "" {
			kind := map[probe.Proto]string{probe.TCP: "connect", probe.UDP: "udp"}[proto]
			if proto == probe.TCP && n.start.Method["tcp"] == "syn" {
				kind = "syn"
			}
			n.line(element("scaninfo", "type", kind, "protocol", proto.String(), "numservices",
				strconv.Itoa(n.asked[i].count()), "services", ports))
		}
	}
	n.line(element("verbose", "level", "0") + "\n" + element("debugging", "level", "0"))
}

// line writes one. An error of the writer is that of Flush.
func (n *writer) line(s string) { n.out.WriteString(s + "\n") }

// comment writes text as a comment. None may hold two hyphens, but a zone may.
func (n *writer) comment(text string) {
	n.line("<!-- " + strings.ReplaceAll(phrase.Visible(text), "--", "‐‐") + " -->")
}

// own writes what only our reader needs.
func (n *writer) own(all ...kept) {
	if text := ownComment(all); text != "" {
		n.line(text)
	}
}

// single makes hosts of the addresses of ranges, as many as fit; the others are comments, and
// counted.
func (n *writer) single() error {
	left := uint64(maxSingly)
	var unlisted []scan.Range
	for i := range n.ranges.Len() {
		item, err := n.ranges.At(uint32(i))
		if err != nil {
			return err
		}
		s := item.Range()
		if s.Count > left {
			n.comment(fmt.Sprintf("%s to %s, port %d/%s: %d addresses are %s, and not listed", s.First, s.Last, s.Port,
				s.Proto, s.Count, s.State))
			n.own(keptRange(s))
			unlisted = append(unlisted, s)
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
	n.countUnlisted(unlisted)
	return nil
}

// countUnlisted counts the addresses of ranges that are no hosts of their own, each once.
func (n *writer) countUnlisted(ranges []scan.Range) {
	slices.SortFunc(ranges, func(a, b scan.Range) int { return a.First.Compare(b.First) })
	var last netip.Addr // of those that are counted
	for _, r := range ranges {
		if last.IsValid() && !last.Less(r.Last) {
			continue
		}
		count := r.Count
		if last.IsValid() && !last.Less(r.First) {
			count = span(last, r.Last)
		}
		last = r.Last
		n.count.Total += count
		switch hostState([]probe.Result{record.At(r, r.First)}) {
		case "up":
			n.count.Up += count
		case "down":
			n.count.Down += count
		}
	}
}

// span is how many addresses lie behind a, up to b; as many as 64 bits hold.
func span(a, b netip.Addr) uint64 {
	x, y := a.As16(), b.As16()
	return binary.BigEndian.Uint64(y[8:]) - binary.BigEndian.Uint64(x[8:])
}

// writeHosts writes all hosts and counts them.
func (n *writer) writeHosts() error {
	var h hostResults
	for _, i := range n.found.ByAddress() {
		item, err := n.found.At(i)
		if err != nil {
			return err
		}
		if len(h.results) > 0 && h.results[0].Addr != item.Addr {
			n.host(&h)
			h = hostResults{results: h.results[:0]}
		}
		h.add(item.Result, i)
	}
	if len(h.results) > 0 {
		n.host(&h)
	}
	return nil
}

// hostResults is what was found of one host, by protocol and port.
type hostResults struct {
	results []probe.Result
	names   []string
	named   uint32 // which record has the names
}

// add adds the record number i. Of two for one port, the last counts, and so do the
// last names.
func (h *hostResults) add(r probe.Result, i uint32) {
	if r.Host != "" && i >= h.named {
		h.names, h.named = r.Names(), i
	}
	if n := len(h.results); n > 0 && h.results[n-1].Endpoint == r.Endpoint {
		h.results[n-1] = r
		return
	}
	h.results = append(h.results, r)
}

// hostState is whether a host is up, in nmap's words: something that it sent itself shows it,
// and that nobody has its address shows that it is not.
func hostState(results []probe.Result) string {
	down := 0
	for _, r := range results {
		switch {
		case r.State == probe.Open, r.Reason.IsAnswer() && !r.Responder.IsValid() && r.State != probe.Unreachable:
			return "up"
		case r.State == probe.Unreachable:
			down++
		}
	}
	if down == len(results) {
		return "down"
	}
	return "unknown"
}

// host writes one. One that is down has no ports there.
func (n *writer) host(found *hostResults) {
	results := found.results
	a, state := results[0].Addr, hostState(results)
	n.count.Total++
	family := "ipv4"
	if a.Is6() {
		family = "ipv6"
	}
	why := results[0]
	if i := slices.IndexFunc(results, func(r probe.Result) bool { return hostState([]probe.Result{r}) == state }); i >= 0 {
		why = results[i]
	}
	n.line("<host>" + element("status", "state", state, "reason", reasonName(why.Reason), "reason_ttl",
		strconv.Itoa(int(why.TTL))))
	n.line(element("address", "addr", a.String(), "addrtype", family))
	if i := slices.IndexFunc(results, func(r probe.Result) bool { return r.MAC != "" }); i >= 0 {
		n.line(element("address", "addr", strings.ToUpper(results[i].MAC), "addrtype", "mac"))
	}
	n.line("<hostnames>")
	for _, name := range found.names {
		n.line(element("hostname", "name", name, "type", "user"))
	}
	n.line("</hostnames>")
	switch state {
	case "up":
		n.count.Up++
	case "down":
		n.count.Down++
		n.own(group(results)...)
		n.line("</host>")
		return
	}
	n.ports(results)
	for _, r := range results {
		if r.RTT > 0 {
			us := time.Duration(r.RTT).Microseconds()
			n.line(element("times", "srtt", strconv.FormatInt(us, 10), "rttvar", strconv.FormatInt(us/2, 10), "to",
				strconv.FormatInt(max(4*us, 100_000), 10)))
			break
		}
	}
	n.line("</host>")
}
