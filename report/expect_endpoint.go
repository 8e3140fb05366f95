package report

import (
	"fmt"
	"time"

	"onmux/probe"
)

// Speaker is what must be true of what speaks on an open endpoint. What is zero
// is not asked for.
type Speaker struct {
	Service, Product, Version string
	Certificate               time.Duration // for so long from now on its certificate must be valid
	MaxRTT                    time.Duration
}

// ExpectSpeaker makes an expectation of s, as of now. An endpoint that is not
// open does not meet it; what could not be identified leaves it undecided.
func ExpectSpeaker(s Speaker, now time.Time) Expectation {
	return Expectation{text: "speaker", speaker: &speaker{s, now}}
}

type speaker struct {
	Speaker
	now time.Time
}

func (s *speaker) judge(r probe.Result) (out []Violation, unsure bool) {
	if r.State == probe.Unknown {
		return nil, true
	}
	at := Violation{What: r.Endpoint.String(), Address: r.Addr.String(), Port: r.Port, Proto: r.Proto.String()}
	expect := func(what, expected, actual string) {
		v := at
		v.What, v.Expected, v.Actual = "the "+what+" of "+at.What, expected, actual
		out = append(out, v)
	}
	if r.State != probe.Open {
		at.Expected, at.Actual = probe.Open.String(), r.State.String()
		return []Violation{at}, false
	}
	if rtt := time.Duration(r.RTT); s.MaxRTT > 0 && rtt > s.MaxRTT {
		expect("round-trip time", "at most "+s.MaxRTT.String(), milliseconds(r.RTT)+" ms")
	}
	said := r.Service
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
		case said == nil:
			unsure = true
		case c.actual(said) == "":
			unsure = true
		case c.actual(said) != c.expected:
			expect(c.what, c.expected, c.actual(said))
		}
	}
	if s.Certificate > 0 {
		unsure = s.certificate(said, expect) || unsure
	}
	return out, unsure
}

// certificate judges until when a certificate is valid; it is unsure if there
// was none to see.
func (s *speaker) certificate(said *probe.Service, expect func(what, expected, actual string)) (unsure bool) {
	until, ok := expiry(said)
	if !ok {
		return true
	}
	if end := s.now.Add(s.Certificate); until.Before(end) {
		expect("certificate", "valid until "+end.UTC().Format(time.DateOnly), fmt.Sprintf("valid until %s", until.UTC().Format(time.DateOnly)))
	}
	return false
}

// NeedsService reports whether what speaks has to be found out to judge it.
func (e Expectation) NeedsService() bool {
	s := e.speaker
	return s != nil && (s.Service != "" || s.Product != "" || s.Version != "" || s.Certificate > 0)
}

// speakers judges a finding by what is expected to speak there.
func (j *Judge) speakers(f Finding) []Violation {
	r, ok := f.(probe.Result)
	if !ok {
		return nil
	}
	var out []Violation
	for _, e := range j.expect {
		if e.speaker == nil {
			continue
		}
		violations, unsure := e.speaker.judge(r)
		out = append(out, violations...)
		j.unsure = j.unsure || unsure
	}
	return out
}

// expiry is when the certificate of a service ends.
func expiry(s *probe.Service) (time.Time, bool) {
	if s == nil || s.TLS == nil || s.TLS.Expires.IsZero() {
		return time.Time{}, false
	}
	return s.TLS.Expires, true
}
