package nmap

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/record"
)

// maxAlike is how many ports of one state a host has in nmap's reports before they are folded.
const maxAlike = 25

// ports writes those of a host, of which many that are alike are folded, as nmap does.
func (n *writer) ports(results []probe.Result) {
	counts := make(map[probe.State]int)
	for _, r := range results {
		counts[r.State]++
	}
	folds := func(r probe.Result) bool {
		return r.State != probe.Open && r.Service == nil && counts[r.State] > maxAlike
	}
	n.line("<ports>")
	var folded []probe.Result
	for _, state := range probe.States() {
		var alike []probe.Result
		for _, r := range results {
			if r.State == state && folds(r) {
				alike = append(alike, r)
			}
		}
		if alike == nil {
			continue
		}
		n.line(strings.TrimSuffix(element("extraports", "state", stateName(state), "count", strconv.Itoa(len(alike))),
			"/>") + ">")
		for _, g := range group(alike) {
			n.line(element("extrareasons", "reason", plural(reasonName(g.Reason)), "count", strconv.Itoa(g.count), "proto",
				g.Proto, "ports", g.Ports))
		}
		n.line("</extraports>")
		folded = append(folded, alike...)
	}
	for _, r := range results {
		if !folds(r) {
			n.port(r)
		}
	}
	n.line("</ports>")
	var more []kept
	for _, g := range group(folded) {
		if g.isLost() {
			more = append(more, g)
		}
	}
	n.own(more...)
}

// plural is how nmap writes a reason of several ports.
func plural(reason string) string {
	switch {
	case strings.HasSuffix(reason, "ch"):
		return reason + "es"
	case reason == "reset":
		return "resets"
	}
	return reason + "s"
}

func (n *writer) port(r probe.Result) {
	state := []string{"state", stateName(r.State), "reason", reasonName(r.Reason), "reason_ttl", strconv.Itoa(int(r.TTL))}
	if r.Responder.IsValid() {
		state = append(state, "reason_ip", r.Responder.String())
	}
	text := strings.TrimSuffix(element("port", "protocol", r.Proto.String(), "portid", strconv.Itoa(int(r.Port))), "/>") +
		">" + element("state", state...) + n.service(r)
	// Of what is known beyond nmap's words only a greeting is a script: what differs in every
	// run, as times do, is a change to ndiff, and ndiff 7.93 breaks where nothing else is.
	if s := r.Service; s != nil && s.Probe == "wait" && s.Banner != "" {
		text += element("script", "id", "banner", "output", s.Banner)
	}
	if k := keptOf(r); k.isLost() {
		k.Proto, k.Ports, k.RTT = "", "", r.RTT
		text += ownComment([]kept{k})
	}
	n.line(text + "</port>")
}

// service is the element of the service on a port: as nmap writes it, with a word for where
// the name is from.
func (n *writer) service(r probe.Result) string {
	s := r.Service
	if s == nil || s.Name == record.Unknown {
		name := n.registered(probe.Port{Number: r.Port, Proto: r.Proto})
		if name == "" && r.State != probe.Open {
			return ""
		}
		return element("service", "name", cmp.Or(name, record.Unknown), "method", "table", "conf", "3")
	}
	about := []string{"name", s.Name}
	if s.TLS != nil {
		about[1] = insideTLS(s.Name, false)
	}
	for _, a := range [][2]string{{"product", s.Product}, {"version", s.Version}, {"extrainfo", s.Info}} {
		if a[1] != "" {
			about = append(about, a[:]...)
		}
	}
	if s.TLS != nil {
		about = append(about, "tunnel", "ssl")
	}
	conf := map[probe.Confidence]int{probe.High: 10, probe.Medium: 7, probe.Low: 3}[s.Confidence]
	return element("service", append(about, "method", "probed", "conf", strconv.Itoa(conf))...)
}

// secured are services that have a name of their own inside TLS: the same with an s.
var secured = []string{"http", "imap", "pop3", "ldap", "smtp", "ftp", "nntp", "irc", "telnet", "amqp", "mqtt", "sip"}

// insideTLS translates the name of a service inside TLS: nmap names the service and has the
// tunnel apart.
func insideTLS(name string, fromNmap bool) string {
	switch bare := strings.TrimSuffix(name, "s"); {
	case fromNmap && slices.Contains(secured, name):
		return name + "s"
	case !fromNmap && bare != name && slices.Contains(secured, bare):
		return bare
	}
	return name
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

// element is an empty element with attributes, each a name and a value.
func element(name string, attributes ...string) string {
	var b strings.Builder
	b.WriteString("<" + name)
	for pair := range slices.Chunk(attributes, 2) {
		fmt.Fprintf(&b, ` %s="%s"`, pair[0], attributeEscapes.Replace(phrase.Visible(pair[1])))
	}
	b.WriteString("/>")
	return b.String()
}

// attributeEscapes are those of XML 1.0, section 2.4; what is visible needs no others.
var attributeEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")
