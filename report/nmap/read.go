package nmap

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/record"
)

// maxHost bounds one host in nmap's XML, in bytes: 65,536 ports of each protocol
// fit, and the output of some scripts.
const maxHost = 64 << 20

var errLongHost = fmt.Errorf("a host is longer than %d bytes", maxHost)

// reader reads nmap's XML.
type reader struct {
	*record.Source
	numberless uint64 // ports that nmap counted without their numbers
}

// Read reads nmap's XML as the report of a scan. Hosts that nmap found down
// are left out, as are ports that it counts without their numbers.
func Read(s *record.Source, r io.Reader) error {
	p := &reader{Source: s}
	bounded := &record.Bounded{R: r, Most: maxHost, Err: errLongHost}
	d := xml.NewDecoder(bounded)
	var begun int64 // where the element that is being read begins
	bounded.Consumed = func() int64 { return begun }
	isCut := func(err error) bool {
		return errors.As(err, new(*xml.SyntaxError)) && bounded.AtEnd(d.InputOffset())
	}
	var tail record.End
	for {
		begun = d.InputOffset()
		t, err := d.Token()
		switch {
		case p.Began() && (err == io.EOF || isCut(err)):
			return nil // cut off, if it has no end
		case err == io.EOF:
			return errors.New("this is not a report of nmap: it has no element nmaprun")
		case err != nil:
			return fmt.Errorf("this is not XML: %w", err)
		}
		start, ok := t.(xml.StartElement)
		if end, is := t.(xml.EndElement); is && end.Name.Local == "nmaprun" {
			tail.Summary = p.Counted()
			if p.numberless > 0 {
				tail.Coverage = append(tail.Coverage, "ports that nmap counted without naming them: "+
					wording.Number(p.numberless))
			}
			return p.End(tail)
		}
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "nmaprun":
			err = p.begin(start)
		case "host":
			err = p.host(d, start)
		case "finished":
			tail.Finished, tail.Complete, tail.Coverage = readFinished(start)
		default:
			if !p.Began() {
				return fmt.Errorf("this is not a report of nmap: it begins with %q", start.Name.Local)
			}
		}
		if err != nil {
			if isCut(err) {
				return nil
			}
			return err
		}
	}
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
	if p.Began() {
		return errors.New("a second report begins inside of the first")
	}
	return p.Start(record.Start{
		Schema: record.Schema, Command: "scan", Started: unixTime(attr(e, "start")),
		Version: strings.TrimSpace(attr(e, "scanner") + " " + attr(e, "version")),
	})
}

func readFinished(e xml.StartElement) (time.Time, bool, []string) {
	coverage := []string{"what nmap reported: the ports of hosts that it found up"}
	if s := attr(e, "summary"); s != "" {
		coverage = append(coverage, s)
	}
	return unixTime(attr(e, "time")), attr(e, "exit") != "error", coverage
}

func unixTime(s string) time.Time {
	var n int64
	if _, err := fmt.Sscan(s, &n); err != nil || n < 0 || n > 1<<40 {
		return time.Unix(0, 0).UTC()
	}
	return time.Unix(n, 0).UTC()
}

func (p *reader) host(d *xml.Decoder, e xml.StartElement) error {
	if !p.Began() {
		return errors.New("a host stands before the report begins")
	}
	var h host
	if err := d.DecodeElement(&h, &e); err != nil {
		return fmt.Errorf("a host: %w", err)
	}
	var base probe.Result
	for _, a := range h.Addresses {
		if addr, err := netip.ParseAddr(a.Addr); err == nil && a.Type != "mac" {
			base.Addr = addr
		}
	}
	if !base.Addr.IsValid() {
		return nil
	}
	if len(h.Names) > 0 {
		base.Host = h.Names[0].Name
	}
	if t := h.Times; t != nil && t.SRTT > 0 && t.SRTT < 1<<40 {
		base.RTT = probe.Millis(time.Duration(t.SRTT) * time.Microsecond)
	}
	for _, found := range h.Ports {
		r := base
		if !found.result(&r) {
			continue // sctp, ip
		}
		if err := p.Write(r); err != nil {
			return err
		}
	}
	return p.folded(base, h.Folded)
}
