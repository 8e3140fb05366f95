package listen

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"onmux/probe"
	"onmux/probe/farend"
	"onmux/probe/recent"
	"onmux/probe/traceroute"
)

// Bounds of paths that clients ask for.
const (
	maxPaths   = 4           // that are searched for at the same time; more questions get no answer
	hopTimeout = time.Second // for an attempt at a router
	keptPaths  = 64          // that were found
)

// paths are those that are being searched for, and the last that were found, by session.
type paths struct {
	mu    sync.Mutex
	found *recent.Map[uint64, []probe.Hop] // nil while the search goes on
	busy  int
}

// find returns the path to a client, once it is known. The first question of a session begins
// the search, through work.
func (p *paths) find(ctx context.Context, session uint64, to probe.Endpoint, work *sync.WaitGroup) ([]probe.Hop, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if path, known := p.found.Get(session); known || p.busy == maxPaths {
		return path, path != nil
	}
	p.found.Put(session, nil)
	p.busy++
	work.Go(func() {
		path := pathTo(ctx, to)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.busy--
		p.found.Put(session, path)
	})
	return nil, false
}

// pathTo is never nil.
func pathTo(ctx context.Context, to probe.Endpoint) []probe.Hop {
	path, _ := traceroute.Run(ctx, to, traceroute.Options{Timeout: hopTimeout}) // what was found until an error
	return append([]probe.Hop{}, path...)
}

// answerPath answers a question for the path back over a stream.
func (s *stream) answerPath(ctx context.Context) {
	if s.until(maxIdle) != nil {
		return
	}
	if _, err := s.in.Discard(farend.Size); err != nil {
		return
	}
	question, err := s.in.Peek(farend.PathSize)
	if err != nil {
		return
	}
	m, ok := s.respond.PathQuestion(question)
	if !ok {
		return
	}
	from, to := addrPortOf(s.conn.RemoteAddr()), addrPortOf(s.conn.LocalAddr())
	path := pathTo(ctx, probe.Endpoint{Addr: from.Addr(), Port: from.Port(), Proto: probe.TCP})
	_ = s.write(s.respond.AnswerPath(nil, m, from, to, path))
	_, _ = s.in.Discard(farend.PathSize)
}

// datagramPath is the answer to a question for the path back, if it is one and the path is known.
func (l *Listener) datagramPath(
	ctx context.Context, data []byte, from, to netip.AddrPort, work *sync.WaitGroup,
) (answer []byte, asked bool) {
	m, ok := l.respond.PathQuestion(data)
	if !ok {
		return nil, false
	}
	client := probe.Endpoint{Addr: from.Addr(), Port: from.Port(), Proto: probe.UDP}
	if path, known := l.paths.find(ctx, m.Session, client, work); known {
		return l.respond.AnswerPath(nil, m, from, to, path), true
	}
	return nil, true
}
