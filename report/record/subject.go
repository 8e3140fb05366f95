package record

import (
	"cmp"
	"fmt"
	"net"
	"strconv"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/scan"
)

// Unknown is the word for "could not look", among states and verdicts alike.
const Unknown = "unknown"

// Subject is what a record states about how many endpoints or ports.
type Subject struct {
	What  string // "10.0.0.7:417/tcp", "10.0.0.8-10.0.0.20 port 417/tcp", "417/tcp"
	Word  string // state or verdict
	Decoy bool   // open, as every port of the host is: no evidence of a service
	Count uint64
	Error string

	// At has the address, port and protocol, for a violation.
	At Violation
}

// About is the subject of a record; endpoints, ranges and verdicts have one.
func About(f Finding) (Subject, bool) {
	switch f := f.(type) {
	case probe.Result:
		return Subject{What: Place(f), Word: f.State.String(), Decoy: f.IsDecoy(), Count: 1, Error: f.Error,
			At: Violation{Address: AddressOf(f), Port: f.Port, Proto: f.Proto.String()}}, true
	case scan.Range:
		span := f.First.String() + "-" + f.Last.String()
		return Subject{What: fmt.Sprintf("%s port %d/%s%s", span, f.Port, f.Proto, From(f.Zone)), Word: f.State.String(),
			Count: f.Count, Error: f.Error,
			At: Violation{Address: span, Port: f.Port, Proto: f.Proto.String()}}, true
	case local.Verdict:
		p := probe.Port{Number: f.Port, Proto: f.Proto}
		return Subject{What: p.String(), Word: string(f.Verdict), Count: 1, Error: f.Error,
			At: Violation{Port: f.Port, Proto: f.Proto.String()}}, true
	}
	return Subject{}, false
}

// Place is the endpoint; of a name that has no address, the name with its port.
func Place(r probe.Result) string {
	if r.Addr.IsValid() {
		return r.Endpoint.String() + From(r.Zone)
	}
	return PlacesAsGiven(r)[0]
}

// PlacesAsGiven is the endpoint by each of the names that lead to it, if any were given.
func PlacesAsGiven(r probe.Result) (all []string) {
	for _, host := range r.Names() {
		all = append(all, net.JoinHostPort(host, strconv.Itoa(int(r.Port)))+"/"+r.Proto.String()+From(r.Zone))
	}
	if all == nil {
		return []string{r.Endpoint.String() + From(r.Zone)}
	}
	return all
}

// From is " from eu-1" for a zone, and nothing without one.
func From(zone string) string {
	if zone == "" {
		return ""
	}
	return " from " + zone
}

// ZoneOf is the zone that an endpoint or a range was asked from, or "".
func ZoneOf(f Finding) string {
	switch f := f.(type) {
	case probe.Result:
		return f.Zone
	case scan.Range:
		return f.Zone
	}
	return ""
}

// AddressOf is the address of an endpoint, or "" of a name that has none.
func AddressOf(r probe.Result) string {
	if !r.Addr.IsValid() {
		return ""
	}
	return r.Addr.String()
}

// Words lists the words that the records of a command have, in the order of
// reports: verdicts for check, states for most others.
func Words(command string) []string {
	switch command {
	case "diff":
		return ChangeKinds()
	case "verify":
		return Outcomes()
	case "check":
		var words []string
		for _, w := range local.Words() {
			words = append(words, string(w))
		}
		return words
	}
	var words []string
	for _, s := range probe.States() {
		words = append(words, s.String())
	}
	return words
}

// Elsewhere reports whether a socket is in another network namespace than the
// one that was asked about.
func Elsewhere(l local.Listener) bool { return l.NetNS != "" && l.NetNS != "host" }

// ComparePorts orders ports by number, then by protocol.
func ComparePorts(a, b probe.Port) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Proto, b.Proto))
}
