package nmap

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/text/encoding/charmap"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/compact"
	"onmux/report/record"
	"onmux/scan"
)

// maxHost bounds one host in nmap's XML, in bytes: 65,536 ports of each protocol
// fit, and the output of some scripts.
const maxHost = 64 << 20

var errLongHost = fmt.Errorf("a host is longer than %d bytes", maxHost)

// reader reads nmap's XML.
type reader struct {
	*record.Source
	d       *xml.Decoder
	begun   int64 // where the element that is being read begins
	within  bool  // of an element nmaprun
	runs    int   // that have ended
	scanner string
	asked   map[probe.Proto]string // ports, of the report that is being read
	kinds   []string               // what is not read of a report
	tail    record.End

	numberless uint64 // ports that nmap counted without their numbers
	up, down   uint64 // hosts without ports
	protocols  uint64 // ports of protocols that we do not know

	merged compact.Store // of masscan, which has a host for each answer
}

// Read reads nmap's XML, which masscan writes too, as the report of a scan. The ports of
// hosts that nmap found down are unreachable. Several reports, which follow each other with
// nmap's --append-output, are one. What is not read is in the coverage.
func Read(s *record.Source, r io.Reader) error {
	p := &reader{Source: s, tail: record.End{Complete: true}}
	defer p.merged.Close()
	bounded := &record.Bounded{R: r, Most: maxHost, Err: errLongHost, Consumed: func() int64 { return p.begun }}
	p.d = xml.NewDecoder(bounded)
	p.d.CharsetReader = charset
	isCut := func(err error) bool {
		return errors.As(err, new(*xml.SyntaxError)) && bounded.AtEnd(p.d.InputOffset())
	}
	for {
		p.begun = p.d.InputOffset()
		t, err := p.d.Token()
		switch {
		case err == io.EOF && p.runs > 0 && !p.within:
			return p.end()
		case p.Began() && (err == io.EOF || isCut(err)):
			return p.writeMerged() // cut off, if it has no end
		case err == io.EOF:
			return errors.New("this is not a report of nmap: it has no element nmaprun")
		case err != nil:
			return fmt.Errorf("this is not XML: %w", err)
		}
		if err := p.token(t); err != nil {
			if isCut(err) {
				return p.writeMerged()
			}
			return err
		}
	}
}

// charset reads the encoding that an XML declaration names. UTF-16 was decoded already, as
// the declaration could be read.
func charset(label string, r io.Reader) (io.Reader, error) {
	if strings.HasPrefix(strings.ToLower(label), "utf-16") {
		return r, nil
	}
	bare := func(s string) string {
		return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
	}
	for _, e := range charmap.All {
		if name, ok := e.(fmt.Stringer); ok && bare(name.String()) == bare(label) {
			return e.NewDecoder().Reader(r), nil
		}
	}
	if bare(label) == "usascii" || bare(label) == "latin1" {
		return charmap.ISO8859_1.NewDecoder().Reader(r), nil
	}
	return nil, fmt.Errorf("its encoding %q is not known: convert it to UTF-8", label)
}

func (p *reader) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		return p.element(t)
	case xml.EndElement:
		if t.Name.Local == "nmaprun" {
			p.within = false
			p.runs++
		}
	case xml.CharData:
		if !p.within && len(strings.TrimSpace(string(t))) > 0 {
			return fmt.Errorf("the report has text that is not XML: %.40q", strings.TrimSpace(string(t)))
		}
	case xml.Comment:
		if p.within && p.scanner == "onmux" {
			return p.own(string(t))
		}
	}
	return nil
}

func (p *reader) element(e xml.StartElement) error {
	switch e.Name.Local {
	case "nmaprun":
		return p.begin(e)
	case "scaninfo":
		p.scanInfo(e)
	case "host":
		return p.host(e)
	case "finished":
		p.finished(e)
	default:
		if !p.Began() {
			return fmt.Errorf("this is not a report of nmap: it begins with %q", e.Name.Local)
		}
	}
	return nil
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (p *reader) begin(e xml.StartElement) error {
	if p.within {
		return errors.New("a second report begins inside of the first")
	}
	p.within, p.asked, p.scanner = true, make(map[probe.Proto]string), attr(e, "scanner")
	if p.Began() {
		return nil
	}
	command, args := "scan", []string(nil)
	if p.scanner == "onmux" {
		command, args = ownCommand(attr(e, "args"))
	}
	return p.Start(record.Start{
		Schema: record.Schema, Command: command, Args: args, Started: unixTime(attr(e, "start")),
		Version: strings.TrimSpace(strings.TrimPrefix(p.scanner, "onmux") + " " + attr(e, "version")),
	})
}

// scanInfo keeps which ports were asked, and of what kind of scan nothing can be read.
func (p *reader) scanInfo(e xml.StartElement) {
	var proto probe.Proto
	switch kind := attr(e, "type"); {
	case kind == "ipproto":
		p.kinds = append(p.kinds, "not read: nmap's scan of IP protocols (-sO)")
	case strings.HasPrefix(kind, "sctp"):
		p.kinds = append(p.kinds, "not read: nmap's scan of SCTP ports (-sY, -sZ)")
	case kind == "ack", kind == "window":
		p.kinds = append(p.kinds, "nmap's scan of what a firewall lets pass (-sA, -sW): it does not show what is open")
		fallthrough
	default:
		if proto.UnmarshalText([]byte(attr(e, "protocol"))) == nil {
			p.asked[proto] = attr(e, "services")
		}
	}
}

func (p *reader) finished(e xml.StartElement) {
	p.tail.Finished = unixTime(attr(e, "time"))
	p.tail.Complete = p.tail.Complete && attr(e, "exit") != "error"
	if s := attr(e, "summary"); s != "" && p.scanner != "onmux" {
		p.tail.Coverage = append(p.tail.Coverage, s)
	}
}

// end ends the stream.
func (p *reader) end() error {
	if err := p.writeMerged(); err != nil {
		return err
	}
	e := p.tail
	e.Coverage = append([]string{"what " + cmp.Or(p.scanner, "nmap") + " reported: the ports of hosts that it listed"},
		e.Coverage...)
	e.Coverage = append(e.Coverage, p.kinds...)
	if p.up+p.down > 0 {
		e.Coverage = append(e.Coverage, fmt.Sprintf("hosts of which no port was probed: %s up, %s down",
			wording.Number(p.up), wording.Number(p.down)))
	}
	if p.protocols > 0 {
		e.Coverage = append(e.Coverage, "not read: ports of other protocols than TCP and UDP: "+wording.Number(p.protocols))
	}
	if p.numberless > 0 {
		e.Coverage = append(e.Coverage, "ports that nmap counted without naming them: "+wording.Number(p.numberless))
	}
	if p.runs > 1 {
		e.Coverage = append(e.Coverage, fmt.Sprintf("%d reports in one file: an endpoint may be in several of them", p.runs))
	}
	e.Summary = p.Counted()
	return p.End(e)
}

func unixTime(s string) time.Time {
	var n int64
	if _, err := fmt.Sscan(s, &n); err != nil || n < 0 || n > 1<<40 {
		return time.Unix(0, 0).UTC()
	}
	return time.Unix(n, 0).UTC()
}

// own reads what our writer put into a comment beside the hosts.
func (p *reader) own(comment string) error {
	for _, k := range readOwn(comment) {
		switch all, ok := k.ports(probe.Result{Origin: probe.Origin{Host: k.Host}}); {
		case !ok || len(all) != 1:
		case k.First.IsValid() && k.Last.IsValid() && !k.Last.Less(k.First) && k.Number > 0:
			r := record.Single(all[0])
			r.First, r.Last, r.Count = k.First, k.Last, k.Number
			if err := p.Write(scan.Range(r)); err != nil {
				return err
			}
		case k.Host != "":
			if err := p.Write(all[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *reader) host(e xml.StartElement) error {
	if !p.within {
		return errors.New("a host comes before the beginning of the report")
	}
	var h host
	if err := p.d.DecodeElement(&h, &e); err != nil {
		return fmt.Errorf("a host: %w", err)
	}
	base, about := h.base()
	if !base.Addr.IsValid() {
		return nil
	}
	if p.scanner == "masscan" {
		return p.keep(base, h.Ports)
	}
	special := make(map[probe.Port]probe.Result) // of folded ports, and those of a host that is down
	for _, k := range readOwn(h.Comment) {
		all, _ := k.ports(probe.Result{Endpoint: probe.Endpoint{Addr: base.Addr}, Origin: base.Origin})
		for _, r := range all {
			special[probe.Port{Number: r.Port, Proto: r.Proto}] = r
		}
	}
	switch {
	case len(special) > 0 && len(h.Ports)+len(h.Folded) == 0:
		return p.specials(special)
	case len(h.Ports)+len(h.Folded) == 0 && h.Status.State == "down" && len(p.asked) > 0:
		return p.downHost(base, h.Status)
	case len(h.Ports)+len(h.Folded) == 0 && h.Status.State == "down":
		p.down++
		return nil
	case len(h.Ports)+len(h.Folded) == 0:
		p.up++
		return nil
	}
	for i, found := range h.Ports {
		r := base
		if i == 0 {
			r.Evidence = about
		}
		if !found.result(&r) {
			p.protocols++ // sctp, ip
			continue
		}
		if err := p.Write(r); err != nil {
			return err
		}
	}
	return p.folded(base, h.Folded, special)
}

// specials writes what our writer kept of a host that is down.
func (p *reader) specials(all map[probe.Port]probe.Result) error {
	for _, port := range sortedPorts(all) {
		if err := p.Write(all[port]); err != nil {
			return err
		}
	}
	return nil
}

// downHost writes the ports of a host that nmap found down, and therefore did not ask.
func (p *reader) downHost(base probe.Result, s status) error {
	base.State, base.RTT = probe.Unreachable, 0
	if base.Reason = parseReason(s.Reason); probe.Verdict(probe.TCP, base.Reason, false) != probe.Unreachable {
		base.Reason = probe.NoReason
	}
	base.Doubts = []probe.Doubt{{Kind: probe.DoubtHostDown}}
	base.Notes = []string{"the host was found down, and its ports were not probed"}
	for _, proto := range probe.Protos() {
		all, ok := kept{Proto: proto.String(), Ports: p.asked[proto], State: base.State, Reason: base.Reason,
			Doubts: base.Doubts, Notes: base.Notes}.ports(base)
		if !ok || p.asked[proto] == "" {
			continue
		}
		for _, r := range all {
			if err := p.Write(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// base is what the ports of a host have in common, and what else is known of it.
func (h host) base() (base probe.Result, about []string) {
	for _, a := range h.Addresses {
		if addr, err := netip.ParseAddr(a.Addr); err == nil && a.Type != "mac" {
			base.Addr = addr
		} else if a.Type == "mac" {
			base.MAC = macOf(a.Addr)
			if base.MAC == "" || a.Vendor != "" {
				about = append(about, strings.TrimSpace("MAC "+a.Addr+" "+a.Vendor))
			}
		}
	}
	for i, n := range h.Names {
		if i == 0 || n.Type == "user" {
			base.AddHost(n.Name)
		} else if n.Name != base.Host {
			about = append(about, "also named "+n.Name)
		}
	}
	for _, s := range h.Systems {
		about = append(about, "system: "+s.Name+" ("+s.Accuracy+" %)")
	}
	for _, s := range h.Scripts {
		about = append(about, "script "+s.ID+": "+strings.TrimSpace(s.Output))
	}
	if t := h.Times; t != nil && t.SRTT > 0 && t.SRTT < 1<<40 {
		base.RTT = probe.Millis(time.Duration(t.SRTT) * time.Microsecond)
	}
	return base, about
}

// macOf is a hardware address as records have it, or "".
func macOf(s string) string {
	if a, err := net.ParseMAC(s); err == nil && len(a) == 6 {
		return a.String()
	}
	return ""
}

// keep keeps the ports of a host of masscan, which has one for each answer.
func (p *reader) keep(base probe.Result, ports []port) error {
	for _, found := range ports {
		r := base
		if !found.result(&r) {
			p.protocols++
			continue
		}
		if err := p.merged.Endpoint(r); err != nil {
			return err
		}
	}
	return nil
}

// writeMerged writes what was kept, each endpoint once.
func (p *reader) writeMerged() error {
	return p.merged.Merged(func(r probe.Result) error { return p.Write(r) })
}
