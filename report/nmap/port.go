package nmap

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
)

// result makes r, which is of the host, one of the port. It is false where we
// know no such protocol.
func (p port) result(r *probe.Result) bool {
	if r.Proto.UnmarshalText([]byte(p.Proto)) != nil {
		return false
	}
	r.Port, r.TTL = p.Number, p.State.TTL
	p.judge(r)
	r.Responder, _ = netip.ParseAddr(p.State.By)
	if !r.FromTarget() {
		r.MAC = ""
	}
	// A name from nmap's table of ports is not evidence of the service there.
	if s := p.Service; s != nil && (s.Method == "probed" || s.Banner != "") {
		r.Service = &probe.Service{Name: cmp.Or(s.Name, "unknown"), Product: s.Product, Version: s.Version,
			Info: s.Extra, Banner: bannerOf(s.Banner), Confidence: confidenceOf(s.Conf)}
		if s.Tunnel == "ssl" {
			r.Service.Name = insideTLS(r.Service.Name, true)
		}
		for _, c := range s.CPEs {
			r.Evidence = append(r.Evidence, strings.TrimSpace(c))
		}
	}
	for _, one := range p.Scripts {
		switch {
		case one.ID == "banner" && r.Service != nil:
			r.Service.Banner = cmp.Or(r.Service.Banner, bannerOf(one.Output))
		case one.ID != "onmux": // of an earlier version of this program
			r.Evidence = append(r.Evidence, "script "+one.ID+": "+strings.TrimSpace(one.Output))
		}
	}
	for _, k := range readOwn(p.Comment) {
		k.apply(r)
	}
	return true
}

// maxBanner bounds a banner, in bytes.
const maxBanner = 256

// bannerOf is one in printable ASCII.
func bannerOf(s string) string {
	if len(s) > maxBanner {
		s = s[:maxBanner]
	}
	quoted := strconv.QuoteToASCII(s)
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(quoted[1 : len(quoted)-1])
}

// judge translates nmap's state and reason.
func (p port) judge(r *probe.Result) {
	if r.State.UnmarshalText([]byte(p.State.State)) != nil {
		r.State, r.Error = probe.Unknown, "nmap calls it "+p.State.State
	}
	switch r.Reason = parseReason(p.State.Reason); {
	case r.State == probe.Filtered && probe.Verdict(r.Proto, r.Reason, false) == probe.Unreachable:
		r.State = probe.Unreachable // for which nmap has no word
	case r.State != probe.Open && r.State != probe.Closed:
	default:
		return
	}
	r.RTT = 0 // the host's
}

// parseReason is the reason that nmap's word means, which may be a plural.
func parseReason(word string) (r probe.Reason) {
	if word == "conn-refused" { // what connect(2) calls it
		return probe.Reset
	}
	for _, w := range []string{word, strings.TrimSuffix(word, "s"), strings.TrimSuffix(word, "es")} {
		if r.UnmarshalText([]byte(w)) == nil {
			return r
		}
	}
	return probe.NoReason
}

// ports are those whose numbers it has.
func (e extraPorts) ports() iter.Seq[port] {
	return func(yield func(port) bool) {
		for _, why := range e.Reasons {
			one := port{Proto: why.Proto}
			one.State.State, one.State.Reason = e.State, why.Reason
			for part := range strings.SplitSeq(why.Ports, ",") {
				first, last, err := portRange(part)
				for n := int(first); err == nil && n <= int(last); n++ {
					one.Number = uint16(n)
					if !yield(one) {
						return
					}
				}
			}
		}
	}
}

// folded writes the ports that nmap reports together; special has what our writer kept of
// some.
func (p *reader) folded(base probe.Result, all []extraPorts, special map[probe.Port]probe.Result) error {
	const most = 4 * (math.MaxUint16 + 1) // TCP, UDP, SCTP and IP
	var ports uint64
	for _, e := range all {
		before := ports
		for one := range e.ports() {
			if ports++; ports > most {
				return fmt.Errorf("a host, %s, has more ports than there are", base.Addr)
			}
			r := base
			if !one.result(&r) {
				p.protocols++ // sctp, ip
				continue
			}
			if own, ok := special[probe.Port{Number: r.Port, Proto: r.Proto}]; ok {
				r = own
			}
			if err := p.Write(r); err != nil {
				return err
			}
		}
		if known := ports - before; e.Count > known {
			if more := e.Count - known; p.numberless+more >= more { // a count may be anything
				p.numberless += more
			}
		}
	}
	return nil
}

func sortedPorts(all map[probe.Port]probe.Result) []probe.Port {
	return slices.SortedFunc(maps.Keys(all), func(a, b probe.Port) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Number, b.Number))
	})
}

// portRange reads "80" or "1-21".
func portRange(s string) (first, last uint16, err error) {
	from, to, isRange := strings.Cut(s, "-")
	if !isRange {
		to = from
	}
	a, err := strconv.ParseUint(from, 10, 16)
	if err != nil {
		return 0, 0, err
	}
	b, err := strconv.ParseUint(to, 10, 16)
	if err == nil && b < a {
		err = errors.New("it ends before it begins")
	}
	return uint16(a), uint16(b), err
}

func confidenceOf(conf int) probe.Confidence {
	switch {
	case conf >= 8:
		return probe.High
	case conf >= 5:
		return probe.Medium
	}
	return probe.Low
}
