package service

import (
	"cmp"
	"slices"

	"onmux/probe"
	"onmux/probe/request"
	"onmux/probe/service/answer"
)

// findings are what the answers of a layer come to.
type findings struct {
	history
	onPort    uint16
	best      answer.Match
	unknown   *answer.Answer  // the first that no rule knows
	page      *probe.HTTP     // that of the peer's name
	suggested map[string]bool // services to which answers have pointed
	tunnel    *tunnel         // to the layer inside
	greeted   bool            // it has sent something before it received anything
	note      string          // on what was not read
	testedDNS bool            // the request that load balancers answer themselves was sent
	alert     *probe.Alert    // why there was no handshake of TLS, or why one was ended
}

func newFindings(port uint16) findings {
	return findings{onPort: port, suggested: make(map[string]bool),
		history: history{observed: make(map[string]reaction), refuted: make(map[string]bool)}}
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

// consider makes an answer the best one if it is more specific, or evidence where the best is none. The
// answer that a port is known for outweighs plain HTTP.
func (f *findings) consider(o outcome) {
	a := newAnswer(o)
	f.answers = append(f.answers, attributed{a, o.Service, o.late})
	m, suggested := answer.Recognise(a)
	if f.isRefuted(m) {
		m, suggested = answer.Match{}, nil
	}
	if f.isRefuted(f.best) {
		f.refute()
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
	expected := m.Known() && o.UsualOn(f.onPort) && o.Service == m.Service
	proves := m.Known() && f.isEvident(m) && !f.isEvident(f.best)
	if m.Better(f.best) || f.best.IsPlainHTTP() && expected || proves {
		f.best = m
	}
}

// refute gives up the best answer.
func (f *findings) refute() {
	f.refuted[f.best.Service] = true
	f.unknown = cmp.Or(f.unknown, f.best.Answer)
	f.best = answer.Match{}
}

// settle gives up the best answer if it is no evidence. Where the peer could not be asked more, one that was not
// repeated stays.
func (f *findings) settle(mayBeAsked bool) {
	if f.best.Rule != nil && !f.isEvident(f.best) && (mayBeAsked || f.repetitions(f.best) > 1) {
		f.refute()
	}
}

// pointsTo reports whether the peer may be of that service by what it has sent.
func (f *findings) pointsTo(service string) bool {
	return f.suggested[service] || f.best.Rule != nil && f.best.Service == service
}

// startTLS is whether a session can change to TLS, by the answers.
func (f *findings) startTLS(service string) *probe.StartTLS {
	all := make([]*answer.Answer, len(f.answers))
	for i, a := range f.answers {
		all[i] = a.Answer
	}
	return answer.StartTLS(service, all)
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
	if (f.isRepeated(f.best) || !f.isEvident(f.best)) && found.Confidence == probe.High {
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
