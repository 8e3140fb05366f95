package service

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"onmux/probe/request"
)

// What an answer is worth depends on what else the peer has said, and where.

// drawn is an answer and the service whose question drew it.
type drawn struct {
	*answer
	service string
}

// parrots reports whether m rests on its question, as plain answers do, though
// the peer says the same to a question of another service.
func (l *layer) parrots(m match) bool {
	if m.rule == nil || m.asked == waiting.Name {
		return false
	}
	return slices.ContainsFunc(l.answers, func(d drawn) bool {
		if d.answer == m.answer || d.service == m.service || !alike(d.bytes, m.bytes) {
			return false
		}
		again := *m.answer
		again.asked = d.asked
		_, ok := m.rule.match(&again)
		return !ok
	})
}

// alike reports whether a and b are the same words, said once or, where there
// was more than one question, several times.
func alike(a, b []byte) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) > 0 && len(b)%len(a) == 0 && bytes.Equal(bytes.Repeat(a, len(b)/len(a)), b)
}

// guess notes what an answer without a name may come from, and names it if that
// is at home on the port.
func (l *layer) guess(a *answer) (m match) {
	for _, r := range hinted(a) {
		l.signs[r.service] = true
		if slices.ContainsFunc(request.TCP(), func(q *request.Request) bool { return q.Service == r.service && q.UsualOn(l.port) }) {
			m = match{rule: r, answer: a}
		}
	}
	return m
}

// behaviour tells of a peer that has not said anything. Of the questions, those
// that are asked on their own ports alone are many.
func (l *layer) behaviour() string {
	how := "says nothing"
	switch {
	case l.resets > 0:
		how = "resets the connection"
	case l.closes > 0:
		how = "closes without a word"
	}
	switch {
	case l.refusal > 0:
		how += ", and refuses further connections"
	case l.crowded:
		how += ", and leaves further connections waiting"
	}
	all := len([]*request.Request{&waiting, &clientHello, &request.HTTP}) + len(moreHellos) + len(request.TCP())
	return fmt.Sprintf("%s, to %d of %d questions in %.1f s", how, min(l.asked, all), all, time.Since(l.started).Seconds())
}
