package nmap

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// maxSingly bounds the addresses of ranges that become hosts of their own in
// nmap's XML, which has no word for a range.
const maxSingly = 1 << 16

// nmapXML writes nmap's XML (nmap.dtd, output version 1.05), but for the name of
// the scanner, which the DTD fixes and which we don't pretend to be. A host's ports
// stand together there, so all of them wait for the end. Where our
// states and reasons are finer than nmap's, its nearest is written and ours
// stands in a script element with the evidence.
type nmapXML struct {
	record.Nop
	w     io.Writer
	start record.Start
	hosts map[netip.Addr][]probe.Result
	spans []scan.Range
	names map[netip.Addr]string
	table func(probe.Port) string // a port's registered name, or ""
}

func New(w io.Writer, o record.Options) record.Handler {
	table := o.PortName
	if table == nil {
		table = func(probe.Port) string { return "" }
	}
	return &nmapXML{w: w, table: table, hosts: make(map[netip.Addr][]probe.Result), names: make(map[netip.Addr]string)}
}

// Start writes the head.
func (n *nmapXML) Start(s record.Start) error {
	if err := Fits(s.Command); err != nil {
		return err
	}
	n.start = s
	started := s.Started.UTC()
	_, err := fmt.Fprintf(n.w, "%s<!DOCTYPE nmaprun>\n<nmaprun scanner=\"onmux\" args=%s start=\"%d\" startstr=%s version=%s xmloutputversion=\"1.05\">\n<verbose level=\"0\"/><debugging level=\"0\"/>\n",
		phrase.XmlHeader, phrase.XmlAttr("onmux "+s.Command), started.Unix(), phrase.XmlAttr(started.Format(time.ANSIC)), phrase.XmlAttr(s.Version))
	return err
}

// Fits reports what is wrong with this format for the records of a command.
func Fits(command string) error {
	if command == "verify" || command == "diff" {
		return fmt.Errorf("what %s tells has no place there", command)
	}
	return nil
}

// Endpoint keeps it for its host.
// End writes the hosts.
func (n *nmapXML) Endpoint(r probe.Result) error {
	n.hosts[r.Addr] = append(n.hosts[r.Addr], r)
	if r.Host != "" {
		n.names[r.Addr] = r.Host
	}
	return nil
}

// Range keeps it for its hosts.
func (n *nmapXML) Range(r scan.Range) error {
	n.spans = append(n.spans, r)
	return nil
}

// Listener keeps a socket of this machine as an open port.
func (n *nmapXML) Listener(l local.Listener) error {
	if l.State != local.Listening || record.Elsewhere(l) {
		return nil
	}
	r := probe.Result{Endpoint: probe.Endpoint{Addr: l.Address, Port: l.Port, Proto: l.Proto}, State: probe.Open}
	if !slices.ContainsFunc(n.hosts[l.Address], func(o probe.Result) bool { return o.Endpoint == r.Endpoint }) {
		n.hosts[l.Address] = append(n.hosts[l.Address], r)
	}
	return nil
}

// End writes the hosts.
func (n *nmapXML) End(e record.End) error {
	var b strings.Builder
	n.single(&b)
	up, down := 0, 0
	for _, a := range slices.SortedFunc(maps.Keys(n.hosts), netip.Addr.Compare) {
		if n.host(&b, a) {
			up++
		} else {
			down++
		}
		if b.Len() > 64<<10 {
			if _, err := io.WriteString(n.w, b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	exit := "success"
	if !e.Complete {
		exit = "error"
	}
	finished := e.Finished.UTC()
	fmt.Fprintf(&b, "<runstats><finished time=\"%d\" timestr=%s elapsed=\"%.2f\" summary=%s exit=\"%s\"", finished.Unix(),
		phrase.XmlAttr(finished.Format(time.ANSIC)), time.Duration(e.Summary.Duration).Seconds(), phrase.XmlAttr(phrase.Tally(n.start.Command, e.Summary.States)), exit)
	if !e.Complete {
		fmt.Fprintf(&b, " errormsg=%s", phrase.XmlAttr("incomplete: "+strings.Join(e.Coverage, "; ")))
	}
	fmt.Fprintf(&b, "/><hosts up=\"%d\" down=\"%d\" total=\"%d\"/></runstats>\n</nmaprun>\n", up, down, up+down)
	_, err := io.WriteString(n.w, b.String())
	return err
}

// single makes hosts of the addresses of ranges, as many as fit; the others
// are a comment.
func (n *nmapXML) single(b *strings.Builder) {
	left := uint64(maxSingly)
	for _, s := range n.spans {
		if s.Count > left {
			text := fmt.Sprintf("%s to %s, port %d/%s: %d addresses are %s, and not listed", s.First, s.Last, s.Port, s.Proto, s.Count, s.State)
			fmt.Fprintf(b, "<!-- %s -->\n", strings.ReplaceAll(phrase.Visible(text), "--", "‐‐")) // no comment may hold two hyphens, but a zone may
			continue
		}
		left -= s.Count
		a := s.First
		for range s.Count {
			n.hosts[a] = append(n.hosts[a], probe.Result{Endpoint: probe.Endpoint{Addr: a, Port: s.Port, Proto: s.Proto},
				State: s.State, Reason: s.Reason, Tries: s.Tries, Responder: s.Responder, Notes: s.Notes, Error: s.Error})
			a = a.Next()
		}
	}
}

// host writes one host and reports whether it is up, which nmap takes every
// host for that was not found unreachable.
func (n *nmapXML) host(b *strings.Builder, a netip.Addr) bool {
	results := n.hosts[a]
	slices.Reverse(results) // of two for one port, the last counts
	slices.SortStableFunc(results, func(x, y probe.Result) int {
		return cmp.Or(cmp.Compare(x.Proto, y.Proto), cmp.Compare(x.Port, y.Port))
	})
	results = slices.CompactFunc(results, func(x, y probe.Result) bool { return x.Proto == y.Proto && x.Port == y.Port })
	up := slices.ContainsFunc(results, func(r probe.Result) bool { return r.State != probe.Unreachable })
	status := "up"
	if !up {
		status = "down"
	}
	kind := "ipv4"
	if a.Is6() {
		kind = "ipv6"
	}
	fmt.Fprintf(b, "<host><status state=\"%s\" reason=%s reason_ttl=\"%d\"/>\n<address addr=%s addrtype=\"%s\"/>\n<hostnames>",
		status, phrase.XmlAttr(nmapReason(results[0].Reason)), results[0].TTL, phrase.XmlAttr(a.String()), kind)
	if name := n.names[a]; name != "" {
		fmt.Fprintf(b, "<hostname name=%s type=\"user\"/>", phrase.XmlAttr(name))
	}
	b.WriteString("</hostnames>\n<ports>")
	for _, r := range results {
		n.port(b, r)
	}
	b.WriteString("</ports>\n")
	if i := slices.IndexFunc(results, func(r probe.Result) bool { return r.RTT > 0 }); i >= 0 {
		us := time.Duration(results[i].RTT).Microseconds()
		fmt.Fprintf(b, "<times srtt=\"%d\" rttvar=\"%d\" to=\"%d\"/>\n", us, us/2, max(4*us, 100_000))
	}
	b.WriteString("</host>\n")
	return up
}

func (n *nmapXML) port(b *strings.Builder, r probe.Result) {
	fmt.Fprintf(b, "<port protocol=\"%s\" portid=\"%d\"><state state=\"%s\" reason=%s reason_ttl=\"%d\"",
		r.Proto, r.Port, nmapState(r.State), phrase.XmlAttr(nmapReason(r.Reason)), r.TTL)
	if r.Responder.IsValid() {
		fmt.Fprintf(b, " reason_ip=%s", phrase.XmlAttr(r.Responder.String()))
	}
	b.WriteString("/>")
	s := r.Service
	registered := n.table(probe.Port{Number: r.Port, Proto: r.Proto})
	switch {
	case registered != "" && (s == nil || s.Name == record.Unknown):
		// As nmap does, and like it with a word for where the name is from.
		fmt.Fprintf(b, "<service name=%s method=\"table\" conf=\"3\"/>", phrase.XmlAttr(registered))
	case s != nil:
		fmt.Fprintf(b, "<service name=%s", phrase.XmlAttr(s.Name))
		for _, a := range [][2]string{{"product", s.Product}, {"version", s.Version}} {
			if a[1] != "" {
				fmt.Fprintf(b, " %s=%s", a[0], phrase.XmlAttr(a[1]))
			}
		}
		fmt.Fprintf(b, " method=\"probed\" conf=\"%d\"/>", map[probe.Confidence]int{probe.High: 10, probe.Medium: 7, probe.Low: 3}[s.Confidence])
	}
	// No evidence: what of it differs in every run, as times and ports do, is a change to
	// ndiff, and ndiff 7.93 breaks where nothing else is.
	if text := phrase.Join(r.State.String(), r.Error, r.Notes...); text != nmapState(r.State) {
		fmt.Fprintf(b, "<script id=\"onmux\" output=%s/>", phrase.XmlAttr(text))
	}
	b.WriteString("</port>\n")
}

// nmapState is the state in the words that nmap has for ports.
func nmapState(s probe.State) string {
	switch s {
	case probe.Unreachable:
		return probe.Filtered.String()
	case probe.Unknown:
		return "unknown"
	}
	return s.String()
}

// nmapReason is the reason in nmap's words; ours are its words but for two.
func nmapReason(r probe.Reason) string {
	switch r {
	case probe.NoReason:
		return "unknown-response"
	case probe.NoNeighbour:
		return "no-response"
	}
	return r.String()
}
