package expect

import (
	"cmp"
	"fmt"
	"time"

	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/record"
)

// Endpoint is what must be true of an open endpoint and its service. What is zero
// is not asked for.
type Endpoint struct {
	Service, Product, Version string
	Certificate               time.Duration // for so long from now on its certificate must be valid
	MaxRTT                    time.Duration
	FarEnd                    bool // a listener with the key that was asked for must answer
}

// OfEndpoint makes an expectation of s, as of now. An endpoint that is not
// open does not meet it; what could not be identified leaves it undecided.
func OfEndpoint(s Endpoint, now time.Time) Expectation {
	return Expectation{text: "endpoint", endpoint: &endpoint{s, now}}
}

type endpoint struct {
	Endpoint
	now time.Time
}

func (s *endpoint) judge(r probe.Result) (out []record.Violation, doubt string) {
	if r.State == probe.Unknown {
		return nil, phrase.Unmeasured(record.Subject{What: record.Place(r), Error: r.Error})
	}
	at := record.Violation{What: record.Place(r), Address: record.AddressOf(r), Port: r.Port, Proto: r.Proto.String()}
	expect := func(what, expected, actual string) {
		v := at
		v.What, v.Expected, v.Actual = "the "+what+" of "+at.What, expected, actual
		out = append(out, v)
	}
	if r.State != probe.Open {
		at.Expected, at.Actual = probe.Open.String(), r.State.String()
		return []record.Violation{at}, ""
	}
	switch rtt := time.Duration(r.RTT); {
	case s.MaxRTT > 0 && rtt <= 0:
		doubt = at.What + ": no round-trip time was measured"
	case s.MaxRTT > 0 && rtt > s.MaxRTT:
		expect("round-trip time", "at most "+phrase.Exactly(probe.Millis(s.MaxRTT)), phrase.Exactly(r.RTT))
	}
	if s.FarEnd && (r.FarEnd == nil || !r.FarEnd.Proven) {
		expect("far end", "the listener with the key", "not proven")
	}
	found := r.Service
	for _, c := range []struct {
		what, expected string
		actual         func(*probe.Service) string
	}{
		{"service", s.Service, func(s *probe.Service) string { return s.Name }},
		{"product", s.Product, func(s *probe.Service) string { return s.Product }},
		{"version", s.Version, func(s *probe.Service) string { return s.Version }},
	} {
		switch {
		case c.expected == "":
		case found == nil || found.Name == record.Unknown:
			doubt = cmp.Or(doubt, at.What+": the service was not recognized")
		case c.actual(found) == "":
			doubt = cmp.Or(doubt, fmt.Sprintf("%s: %s does not report its %s", at.What, found.Name, c.what))
		case c.actual(found) != c.expected:
			expect(c.what, c.expected, c.actual(found))
		}
	}
	if s.Certificate > 0 {
		if why := s.certificate(found, expect); why != "" {
			doubt = cmp.Or(doubt, at.What+": "+why)
		}
	}
	return out, doubt
}

// certificate judges until when a certificate is valid. There is a
// doubt if there was none to see.
func (s *endpoint) certificate(found *probe.Service, expect func(what, expected, actual string)) (doubt string) {
	until, ok := expiry(found)
	switch {
	case ok:
	case found == nil:
		return "no certificate was seen"
	default:
		return "no certificate was seen: the service is " + found.Name
	}
	if end := s.now.Add(s.Certificate); until.Before(end) {
		expect("certificate", "valid until "+end.UTC().Format(time.DateOnly), fmt.Sprintf("valid until %s",
			until.UTC().Format(time.DateOnly)))
	}
	return ""
}

// NeedsService reports whether the service has to be identified to judge it.
func (e Expectation) NeedsService() bool {
	s := e.endpoint
	return e.field != nil || s != nil && (s.Service != "" || s.Product != "" || s.Version != "" || s.Certificate > 0)
}

// endpoint judges an endpoint by the service that is expected there.
func (g *judging) endpoint(r probe.Result) {
	for _, e := range g.judge.expect {
		if e.endpoint == nil {
			continue
		}
		violations, doubt := e.endpoint.judge(r)
		g.found = append(g.found, violations...)
		g.judge.doubts(doubt)
	}
}

// expiry is when the certificate of a service ends.
func expiry(s *probe.Service) (time.Time, bool) {
	if s == nil || s.TLS == nil || s.TLS.Expires.IsZero() {
		return time.Time{}, false
	}
	return s.TLS.Expires, true
}
