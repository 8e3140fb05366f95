package service

import (
	"bytes"
	"regexp"
	"slices"
	"sync"

	"onmux/probe/request"
	"onmux/probe/service/answer"
)

// history is what came of the requests to a peer. An answer is evidence of a protocol only if
// it depends on what was sent, or came before anything was.
type history struct {
	answers  []attributed
	observed map[string]reaction // to requests without an answer, by name
	refuted  map[string]bool     // services whose protocol the peer seemed to speak
}

// attributed is an answer and the service whose request it answers.
type attributed struct {
	*answer.Answer
	service string
	late    bool // it came later than an answer to the request would
}

// errorRules are the rules for answers to what the software does not know.
var errorRules = []string{"memcached-error", "beanstalk-error", "clamd-error", "redis-error", "gearman",
	"socks5-refused", "tor-socks", "tor-control", "tor-control-auth", "lcdproc-error", "json-rpc"}

// shortAnswer is a length in bytes up to which an answer in which nothing comes from the request
// may be one to anything.
const shortAnswer = 8

// transaction is what identifies an exchange in the requests of many protocols.
var transaction = []byte("\x04\x17")

// anyLine is the datagram to the ports of services that answer any.
const anyLine = "text"

// isEvident reports whether m shows its protocol: it was sent unasked, or in answer to a request of
// that protocol, or the peer treats other requests in another way.
func (h *history) isEvident(m answer.Match) bool {
	if m.Rule == nil || m.Request == waiting.Name {
		return true
	}
	to := h.attribution(m)
	switch {
	case m.HTTP != nil:
		return m.Facts.Product != "" || m.HTTP.Status < 400 && to.service == request.HTTP.Service || h.contrasts(m)
	case m.Greets():
		return to.late || to.service == m.Rule.Service || m.Request == anyLine
	case slices.Contains(errorRules, m.Rule.Name):
	case to.service == m.Rule.Service && (len(m.Bytes) > shortAnswer || bytes.Contains(m.Bytes, transaction)):
		return true
	case to.service == m.Rule.Service && m.Service == "postgresql" && !isUniform(m.Bytes): // an answer to each part
		return true
	}
	return h.contrasts(m)
}

// attribution is the answer of m, and what it answers.
func (h *history) attribution(m answer.Match) attributed {
	i := slices.IndexFunc(h.answers, func(d attributed) bool { return d.Answer == m.Answer })
	if i < 0 {
		return attributed{Answer: m.Answer}
	}
	return h.answers[i]
}

// contrasts reports whether the peer has treated another request in another way than that of m.
func (h *history) contrasts(m answer.Match) bool {
	for name, r := range h.observed {
		if name != m.Request && name != waiting.Name && r != notObserved {
			return true
		}
	}
	return slices.ContainsFunc(h.answers, func(d attributed) bool {
		return d.Request != m.Request && d.Request != waiting.Name && !isRepetition(d.Bytes, m.Bytes)
	})
}

// repetitions counts the requests that were answered as that of m was.
func (h *history) repetitions(m answer.Match) (n int) {
	for _, d := range h.answers {
		if d.Request != waiting.Name && isRepetition(d.Bytes, m.Bytes) {
			n++
		}
	}
	return n
}

// isRefuted reports whether the peer sends the same bytes in answer to a request of another service,
// too, where the software of m would not.
func (h *history) isRefuted(m answer.Match) bool {
	if m.Rule == nil || m.HTTP != nil {
		return false
	}
	to := h.attribution(m)
	if h.refuted[m.Service] && to.service != m.Rule.Service && m.Request != waiting.Name {
		return true
	}
	return slices.ContainsFunc(h.answers, func(d attributed) bool {
		own := d.service == m.Rule.Service
		switch {
		case d.Answer == m.Answer || !isRepetition(d.Bytes, m.Bytes):
			return false
		case m.Request == waiting.Name: // a greeting that came again in place of an answer
			return own && len(d.Bytes) > len(m.Bytes)
		case d.Request == waiting.Name:
			return to.service == m.Rule.Service && len(m.Bytes) > len(d.Bytes)
		case m.Greets():
			return false
		}
		return own != (to.service == m.Rule.Service) || !own && !m.Survives(d.Request)
	})
}

// isRepeated reports whether the answer of m may be one to anything: the peer has sent the same in answer to
// a request of another service.
func (h *history) isRepeated(m answer.Match) bool {
	to := h.attribution(m)
	switch {
	case m.Rule == nil || m.Request == waiting.Name:
		return false
	case m.Greets() && to.late && to.service != m.Rule.Service: // a greeting, or a late answer
		return true
	}
	return slices.ContainsFunc(h.answers, func(d attributed) bool {
		return d.Answer != m.Answer && d.Request != waiting.Name && d.service != m.Service && isRepetition(d.Bytes, m.Bytes)
	})
}

// isCutOff reports whether the peer has ended the connection after a request, without an answer.
func (h *history) isCutOff(request string) bool {
	return h.observed[request] == closes || h.observed[request] == resets
}

// fits reports whether the peer has done with several requests what servers of the service
// do with them.
func (h *history) fits(service string) bool {
	agreeing, against := h.reactionsOf(service)
	return agreeing > 1 && against == 0
}

// reactionsOf counts the requests that the peer has treated as servers of the service do,
// and how much the others contradict that service.
func (h *history) reactionsOf(service string) (agreeing, against int) {
	for name, usual := range reactions[service] {
		observed := h.observed[name]
		n := observed.contradicts(usual)
		if against += n; n == 0 && observed != notObserved {
			agreeing++
		}
	}
	return agreeing, against
}

var dateField = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)\nDate: [^\n]*`) })

// isRepetition reports whether a and b are the same bytes, sent once or, where there was
// more than one request, several times.
func isRepetition(a, b []byte) bool {
	if isPage(a) && isPage(b) { // at another time
		a, b = dateField().ReplaceAll(a, nil), dateField().ReplaceAll(b, nil)
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) > 0 && len(b)%len(a) == 0 && bytes.Equal(bytes.Repeat(a, len(b)/len(a)), b)
}

// isUniform reports whether all bytes are the same.
func isUniform(b []byte) bool { return len(b) > 0 && len(bytes.Trim(b, string(b[:1]))) == 0 }
