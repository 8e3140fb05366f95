package farend

import (
	"math"
	"net/netip"
	"sync"

	"onmux/probe"
	"onmux/probe/recent"
)

const (
	maxSessions = 1024 // that are remembered; the oldest is forgotten first
	window      = 1024 // questions of a session that are distinguished, in numbers from the latest back
)

// Responder answers questions. It may be used from several goroutines.
type Responder struct {
	key Key

	mu       sync.Mutex
	sessions *recent.Map[uint64, *session]
}

// NewResponder returns a Responder for questions with that key.
func NewResponder(k Key) *Responder {
	return &Responder{key: k, sessions: recent.New[uint64, *session](maxSessions)}
}

// Answer appends the answer to a question from client, that arrived at server with that TTL (0
// if it is not known), to b. ok is false if it is no question, or one of another key.
// The answer is never longer than the question.
func (r *Responder) Answer(b, question []byte, client, server netip.AddrPort, ttl uint8) (answer []byte, ok bool) {
	m, ok := r.key.Parse(question)
	if !ok || m.Kind != Question {
		return b, false
	}
	size := Size
	if m.PadAnswer {
		size = len(question)
	}
	m.Kind, m.TTL, m.Client, m.Server = Answer, ttl, client, server
	m.Length = uint16(min(len(question), math.MaxUint16))
	m.Arrived, m.Reordered, m.Duplicated = r.count(m)
	return r.key.Append(b, m, size), true
}

// PathQuestion parses a question for the path back; false if it is none, or of another key.
func (r *Responder) PathQuestion(question []byte) (m Message, ok bool) {
	m, ok = r.key.Parse(question)
	return m, ok && m.Kind == PathQuestion && len(question) >= PathSize
}

// AnswerPath appends the answer to b. It is never longer than the question.
func (r *Responder) AnswerPath(b []byte, m Message, client, server netip.AddrPort, path []probe.Hop) []byte {
	m.Client, m.Server = client, server
	return r.key.AppendPath(b, m, path)
}

func (r *Responder) count(m Message) (arrived, reordered, duplicated uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, known := r.sessions.Get(m.Session)
	if !known {
		s = new(session)
		r.sessions.Put(m.Session, s)
	}
	if !m.Uncounted {
		s.add(m.Seq)
	}
	return s.arrived, s.reordered, s.duplicated
}

// session counts numbers that arrive.
type session struct {
	seen                           [window / 64]uint64 // of the last numbers up to latest, by number modulo window
	latest                         uint32
	arrived, reordered, duplicated uint32
}

func (s *session) add(seq uint32) {
	bit := func(n uint32) (*uint64, uint64) { return &s.seen[n%window/64], 1 << (n % 64) }
	word, mask := bit(seq)
	switch {
	case s.arrived == 0:
		s.latest = seq
	case seq > s.latest:
		for n := s.latest + 1; n != seq && n-s.latest <= window; n++ {
			w, m := bit(n)
			*w &^= m
		}
		s.latest = seq
		*word &^= mask
	case s.latest-seq >= window: // too old to know
		return
	case *word&mask != 0:
		s.duplicated++
		return
	default:
		s.reordered++
	}
	*word |= mask
	s.arrived++
}
