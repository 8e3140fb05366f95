package service

import (
	"bytes"
	"cmp"
	"slices"

	"onmux/probe"
	"onmux/probe/request"
	"onmux/probe/service/answer"
)

// findings are what the answers of a layer come to. An answer counts beside the others:
// the same bytes in answer to different requests identify nothing.
type findings struct {
	onPort    uint16
	best      answer.Match
	unknown   *answer.Answer // the first that no rule knows
	page      *probe.HTTP    // that of the peer's name
	answers   []attributed
	suggested map[string]bool // services to which answers have pointed
	tunnel    *tunnel         // to the layer inside
	greeted   bool            // it has sent something before it received anything
	note      string          // on what was not read
	testedDNS bool            // the request that load balancers answer themselves was sent
	alert     *probe.Alert    // why there was no handshake of TLS, or why one was ended
}

// attributed is an answer and the service whose request it answers.
type attributed struct {
	*answer.Answer
	service string
}

// known reports whether the protocol is; complete, whether the software and its
// version are too.
func (f *findings) known() bool { return f.best.Known() }

func (f *findings) complete() bool {
	return f.known() && f.best.Facts.Product != "" && f.best.Facts.Version != "" && !f.best.IsBadRequest() &&
		(f.testedDNS || !f.best.IsForwarded())
}

// nothingReceived reports whether the peer has sent nothing yet.
func (f *findings) nothingReceived() bool {
	return f.best.Rule == nil && f.unknown == nil && f.tunnel == nil
}

// consider makes a the best answer if it is more specific. The answer that a port is
// known for outweighs plain HTTP.
func (f *findings) consider(a *answer.Answer, r *request.Request) {
	f.answers = append(f.answers, attributed{a, r.Service})
	m, suggested := answer.Recognise(a)
	if f.echoes(m) || f.isRefuted(m) {
		m, suggested = answer.Match{}, nil
	}
	if f.echoes(f.best) || f.isRefuted(f.best) {
		f.best, f.unknown = answer.Match{}, cmp.Or(f.unknown, f.best.Answer)
	}
	if m.Rule == nil {
		m = f.guess(a)
	}
	for _, s := range suggested {
		f.suggested[s] = true
	}
	if m.Rule == nil {
		if f.unknown == nil {
			f.unknown = a
		}
		return
	}
	if m.HTTP != nil && m.HTTP.Host != "" && m.Request != "http-metrics" {
		f.page = m.HTTP
	}
	expected := m.Known() && r.UsualOn(f.onPort) && r.Service == m.Service
	if m.Better(f.best) || f.best.IsPlainHTTP() && expected {
		f.best = m
	}
}

// echoes reports whether m depends on its request, as plain answers do, though the peer
// sends the same in answer to a request of another service.
func (f *findings) echoes(m answer.Match) bool {
	if m.Rule == nil || m.Request == waiting.Name {
		return false
	}
	return slices.ContainsFunc(f.answers, func(d attributed) bool {
		if d.Answer == m.Answer || d.service == m.Rule.Service || !isRepetition(d.Bytes, m.Bytes) {
			return false
		}
		return !m.Survives(d.Request)
	})
}

// unlike has requests that the software never answers as it does one that it does not know, by
// the rule for that answer.
var unlike = map[string]string{
	"memcached-error": "memcached-version", "beanstalk-error": "beanstalk-stats", "clamd-error": "clamd-version",
	"redis-error": "redis-info",
}

// isRefuted reports whether m is an error that the peer sends in answer to what its software would
// understand, too.
func (f *findings) isRefuted(m answer.Match) bool {
	if m.Rule == nil || unlike[m.Rule.Name] == "" || bytes.HasPrefix(m.Bytes, []byte("-NOAUTH ")) ||
		bytes.HasPrefix(m.Bytes, []byte("-DENIED ")) { // Redis sends those in answer to anything
		return false
	}
	return slices.ContainsFunc(f.answers, func(d attributed) bool {
		return d.Request == unlike[m.Rule.Name] && isRepetition(d.Bytes, m.Bytes)
	})
}

// startTLS is whether a session can change to TLS, by the answers.
func (f *findings) startTLS(service string) *probe.StartTLS {
	all := make([]*answer.Answer, len(f.answers))
	for i, a := range f.answers {
		all[i] = a.Answer
	}
	return answer.StartTLS(service, all)
}

// isRepeated reports whether the peer has sent the same in answer to a request of another
// service: its answer may be one to anything.
func (f *findings) isRepeated() bool {
	if f.best.Rule == nil || f.best.Request == waiting.Name {
		return false
	}
	return slices.ContainsFunc(f.answers, func(d attributed) bool {
		return d.Answer != f.best.Answer && d.Request != waiting.Name && d.service != f.best.Service &&
			isRepetition(d.Bytes, f.best.Bytes)
	})
}

// describe is the best answer as it is written in reports.
func (f *findings) describe() *probe.Service {
	found := f.best.Report()
	if f.testedDNS && f.best.IsForwarded() {
		found.Confidence = probe.High
	}
	if found.Product == "dnsdist" {
		found.Backend = f.behindDNS()
	}
	if f.page != nil && found.HTTP != nil {
		found.HTTP = f.page
		if found.Info = ""; f.page.Title != "" {
			found.Info = "title: " + f.page.Title
		}
	}
	if f.isRepeated() && found.Confidence == probe.High {
		found.Confidence = probe.Medium
	}
	if found.Name == clientHello.Service {
		found.Alert = f.alert
	}
	found.StartTLS = f.startTLS(found.Name)
	return found
}

// behindDNS is the server that has answered through a load balancer.
func (f *findings) behindDNS() *probe.Software {
	for _, a := range f.answers {
		if m, _ := answer.Recognise(a.Answer); m.IsForwarded() {
			s := m.Report()
			return &probe.Software{Product: s.Product, Version: s.Version}
		}
	}
	return nil
}

// isRepetition reports whether a and b are the same bytes, sent once or, where there was
// more than one request, several times.
func isRepetition(a, b []byte) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) > 0 && len(b)%len(a) == 0 && bytes.Equal(bytes.Repeat(a, len(b)/len(a)), b)
}

// guess notes which services may send an answer that no rule names, and names the one
// that is usual on the port.
func (f *findings) guess(a *answer.Answer) (m answer.Match) {
	for _, r := range answer.Hinted(a) {
		f.suggested[r.Service] = true
		usual := func(q *request.Request) bool { return q.Service == r.Service && q.UsualOn(f.onPort) }
		if slices.ContainsFunc(request.TCP(), usual) {
			m = answer.Match{Rule: r, Answer: a}
		}
	}
	return m
}
