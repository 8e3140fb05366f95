package report

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
	"onmux/scan"
)

// maxSingly bounds the addresses of ranges that become hosts of their own in
// nmap's XML, which has no word for a range.
const maxSingly = 1 << 16

// nmapXML writes nmap's XML (nmap.dtd, output version 1.05), but for the name of
// the scanner, which the DTD fixes and which we don't pretend to be. A host's ports
// stand together there, so what was told singly waits for the end. Where our
// states and reasons are finer than nmap's, its nearest is written and ours
// stands in a script element with the evidence.
type nmapXML struct {
	w     io.Writer
	start Start
	hosts map[netip.Addr][]probe.Result
	spans []scan.Range
	names map[netip.Addr]string
	table func(probe.Port) string // a port's registered name, or ""
}

func newNmapXML(w io.Writer, o Options) Handler {
	table := o.PortName
	if table == nil {
		table = func(probe.Port) string { return "" }
	}
	return &nmapXML{w: w, table: table, hosts: make(map[netip.Addr][]probe.Result), names: make(map[netip.Addr]string)}
}

func (n *nmapXML) Start(s Start) error {
	if err := Fits("nmap-xml", s.Command); err != nil {
		return err
	}
	n.start = s
	started := s.Started.UTC()
	_, err := fmt.Fprintf(n.w, "%s<!DOCTYPE nmaprun>\n<nmaprun scanner=\"onmux\" args=%s start=\"%d\" startstr=%s version=%s xmloutputversion=\"1.05\">\n<verbose level=\"0\"/><debugging level=\"0\"/>\n",
		xmlHeader, xmlAttr("onmux "+s.Command), started.Unix(), xmlAttr(started.Format(time.ANSIC)), xmlAttr(s.Version))
	return err
}

func (n *nmapXML) Finding(f Finding) error {
	switch f := f.(type) {
	case probe.Result:
		n.hosts[f.Addr] = append(n.hosts[f.Addr], f)
		if f.Host != "" {
			n.names[f.Addr] = f.Host
		}
	case scan.Range:
		n.spans = append(n.spans, f)
	case local.Listener:
		n.listener(f)
	}
	return nil
}

// listener tells a socket of this machine as an open port.
func (n *nmapXML) listener(l local.Listener) {
	if l.State != local.Listening || elsewhere(l) {
		return
	}
	r := probe.Result{Endpoint: probe.Endpoint{Addr: l.Address, Port: l.Port, Proto: l.Proto}, State: probe.Open}
	r.Evidence = []string{sentence(l)}
	if !slices.ContainsFunc(n.hosts[l.Address], func(o probe.Result) bool { return o.Endpoint == r.Endpoint }) {
		n.hosts[l.Address] = append(n.hosts[l.Address], r)
	}
}

func (n *nmapXML) End(e End) error {
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
		xmlAttr(finished.Format(time.ANSIC)), time.Duration(e.Summary.Duration).Seconds(), xmlAttr(tallied(n.start.Command, e.Summary.States)), exit)
	if !e.Complete {
		fmt.Fprintf(&b, " errormsg=%s", xmlAttr("incomplete: "+strings.Join(e.Coverage, "; ")))
	}
	fmt.Fprintf(&b, "/><hosts up=\"%d\" down=\"%d\" total=\"%d\"/></runstats>\n</nmaprun>\n", up, down, up+down)
	_, err := io.WriteString(n.w, b.String())
	return err
}

// single makes hosts of the addresses of ranges, as many as fit; of the others
// a comment tells.
func (n *nmapXML) single(b *strings.Builder) {
	left := uint64(maxSingly)
	for _, s := range n.spans {
		if s.Count > left {
			told := fmt.Sprintf("%s to %s, port %d/%s: %d addresses are %s, and not listed", s.First, s.Last, s.Port, s.Proto, s.Count, s.State)
			fmt.Fprintf(b, "<!-- %s -->\n", strings.ReplaceAll(Visible(told), "--", "‐‐")) // no comment may hold two hyphens, but a zone may
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
	slices.Reverse(results) // what was told twice is taken as it was told last
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
		status, xmlAttr(nmapReason(results[0].Reason)), results[0].TTL, xmlAttr(a.String()), kind)
	if name := n.names[a]; name != "" {
		fmt.Fprintf(b, "<hostname name=%s type=\"user\"/>", xmlAttr(name))
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
		r.Proto, r.Port, nmapState(r.State), xmlAttr(nmapReason(r.Reason)), r.TTL)
	if r.Responder.IsValid() {
		fmt.Fprintf(b, " reason_ip=%s", xmlAttr(r.Responder.String()))
	}
	b.WriteString("/>")
	s := r.Service
	registered := n.table(probe.Port{Number: r.Port, Proto: r.Proto})
	switch {
	case registered != "" && (s == nil || s.Name == unknown):
		// As nmap does, and like it with a word for where the name is from.
		fmt.Fprintf(b, "<service name=%s method=\"table\" conf=\"3\"/>", xmlAttr(registered))
	case s != nil:
		fmt.Fprintf(b, "<service name=%s", xmlAttr(s.Name))
		for _, a := range [][2]string{{"product", s.Product}, {"version", s.Version}} {
			if a[1] != "" {
				fmt.Fprintf(b, " %s=%s", a[0], xmlAttr(a[1]))
			}
		}
		fmt.Fprintf(b, " method=\"probed\" conf=\"%d\"/>", map[probe.Confidence]int{probe.High: 10, probe.Medium: 7, probe.Low: 3}[s.Confidence])
	}
	// No evidence: what of it differs in every run, as times and ports do, is a change to
	// ndiff, and ndiff 7.93 breaks where nothing else is.
	if told := lines(r.State.String(), r.Error, r.Notes...); told != nmapState(r.State) {
		fmt.Fprintf(b, "<script id=\"onmux\" output=%s/>", xmlAttr(told))
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
