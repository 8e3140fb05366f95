package service

import (
	"bytes"
	"cmp"
	"slices"

	"onmux/probe/request"
)

// findings are what the answers of a layer come to. An answer counts beside the others:
// the same bytes in answer to different requests identify nothing.
type findings struct {
	onPort    uint16
	best      match
	unknown   *answer // the first that no rule knows
	answers   []attributed
	suggested map[string]bool // services to which answers have pointed
	tunnel    *tunnel         // to the layer inside
	note      string          // on what was not read
}

// attributed is an answer and the service whose request it answers.
type attributed struct {
	*answer
	service string
}

// known reports whether the protocol is; complete, whether the software and its
// version are too.
func (f *findings) known() bool { return f.best.rule != nil && f.best.rank >= protocol }

func (f *findings) complete() bool {
	return f.known() && f.best.facts.product != "" && f.best.facts.version != ""
}

// nothingReceived reports whether the peer has sent nothing yet.
func (f *findings) nothingReceived() bool {
	return f.best.rule == nil && f.unknown == nil && f.tunnel == nil
}

// consider makes a the best answer if it is more specific. The answer that a port is
// known for outweighs plain HTTP.
func (f *findings) consider(a *answer, r *request.Request) {
	f.answers = append(f.answers, attributed{a, r.Service})
	m, suggested := recognise(a)
	if f.echoes(m) {
		m, suggested = match{}, nil
	}
	if f.echoes(f.best) {
		f.best, f.unknown = match{}, cmp.Or(f.unknown, f.best.answer)
	}
	if m.rule == nil {
		m = f.guess(a)
	}
	for _, s := range suggested {
		f.suggested[s] = true
	}
	if m.rule == nil {
		if f.unknown == nil {
			f.unknown = a
		}
		return
	}
	expected := m.rank >= protocol && r.UsualOn(f.onPort) && r.Service == m.service
	if m.better(f.best) || f.best.isPlainHTTP() && expected {
		f.best = m
	}
}

// echoes reports whether m depends on its request, as plain answers do, though the peer
// sends the same in answer to a request of another service.
func (f *findings) echoes(m match) bool {
	if m.rule == nil || m.request == waiting.Name {
		return false
	}
	return slices.ContainsFunc(f.answers, func(d attributed) bool {
		if d.answer == m.answer || d.service == m.rule.service || !isRepetition(d.bytes, m.bytes) {
			return false
		}
		again := *m.answer
		again.request = d.request
		_, ok := m.rule.match(&again)
		return !ok
	})
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
func (f *findings) guess(a *answer) (m match) {
	for _, r := range hinted(a) {
		f.suggested[r.service] = true
		usual := func(q *request.Request) bool { return q.Service == r.service && q.UsualOn(f.onPort) }
		if slices.ContainsFunc(request.TCP(), usual) {
			m = match{rule: r, answer: a}
		}
	}
	return m
}
