package farend

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"onmux/probe"
)

const (
	questions = 50                    // over UDP; enough to measure a loss of a few percent
	interval  = 20 * time.Millisecond // from one to the next
	repeats   = 3                     // of a question whose answer decides something
	minWait   = 200 * time.Millisecond

	// pathTimeout is how long the far end may take to find the routers back to here.
	pathTimeout = 20 * time.Second
	pathPause   = 500 * time.Millisecond // from one question for it to the next
	maxStream   = 64 << 10               // bytes of a TCP stream in which the answer is looked for
)

// ErrNoAnswer means that nothing with a valid code came back: there is no listener with this
// key, or something in between answers in its place.
var ErrNoAnswer = errors.New("no listener with this key answers")

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Options are how to ask.
type Options struct {
	Key     Key
	Timeout time.Duration // for the listener to answer; must be > 0
	Path    bool          // ask for the routers from the far end back, too
}

// Ask asks the listener at e. It returns ErrNoAnswer, the context's error, or one of the socket.
func Ask(ctx context.Context, dial Dial, e probe.Endpoint, o Options) (*probe.FarEnd, error) {
	limited, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	conn, err := dial(limited, e.Proto.String(), e.AddrPort().String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	// Whatever deadline a read has, it ends with the context.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	a := &asker{conn: conn, key: o.Key, timeout: o.Timeout}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	a.session = binary.BigEndian.Uint64(id[:])
	if e.Proto == probe.TCP {
		err = a.stream(o.Path)
	} else {
		err = a.datagrams(o.Path)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && !a.report.Proven {
		return nil, err
	}
	return &a.report, nil // a proof stands, whatever ended what came after it
}

// asker is one run.
type asker struct {
	conn    net.Conn
	key     Key
	timeout time.Duration
	session uint64
	report  probe.FarEnd
}

// prove takes an answer for the report.
func (a *asker) prove(m Message, rtt time.Duration) {
	r := &a.report
	if !r.Proven || probe.Millis(rtt) < r.RTT {
		r.RTT = probe.Millis(rtt)
	}
	r.Proven, r.Seen, r.Server = true, m.Client, m.Server
	if local, err := netip.ParseAddrPort(a.conn.LocalAddr().String()); err == nil {
		r.Source = netip.AddrPortFrom(local.Addr().Unmap().WithZone(""), local.Port())
	}
}

// stream asks over TCP.
func (a *asker) stream(path bool) error {
	m, _, rtt, err := a.exchange(Message{Kind: Question, Session: a.session}, Size, a.timeout)
	if err != nil {
		return err
	}
	a.prove(m, rtt)
	if path {
		_, b, _, err := a.exchange(Message{Kind: PathQuestion, Session: a.session}, PathSize, pathTimeout)
		if err == nil {
			a.report.Path = parsePath(b)
		}
	}
	return nil
}

// exchange sends a question and waits for its answer, before which a greeting may stand, and
// returns it, its bytes, and how long it took.
func (a *asker) exchange(q Message, size int, timeout time.Duration) (Message, []byte, time.Duration, error) {
	start := time.Now()
	if err := a.conn.SetDeadline(start.Add(timeout)); err != nil {
		return Message{}, nil, 0, err
	}
	if _, err := a.conn.Write(a.key.Append(nil, q, size)); err != nil {
		return Message{}, nil, 0, err
	}
	var got []byte
	for buf := make([]byte, 4096); len(got) < maxStream; {
		n, err := a.conn.Read(buf)
		got = append(got, buf[:n]...)
		if at := bytes.Index(got, []byte(magic)); at >= 0 {
			// An answer has the rest of what came: the far end sends nothing behind it.
			m, ok := a.key.Parse(got[at:])
			if ok && m.Kind == q.Kind+1 && m.Session == a.session {
				return m, got[at:], time.Since(start), nil
			}
		}
		if err != nil {
			break
		}
	}
	return Message{}, nil, 0, ErrNoAnswer
}

// datagrams asks over UDP: first for a proof, then many times, then for what passes whole.
func (a *asker) datagrams(path bool) error {
	if err := a.first(); err != nil {
		return err
	}
	if err := a.series(); err != nil {
		return err
	}
	if err := a.sizes(); err != nil || !path {
		return err
	}
	return a.path()
}

// path asks for the path back, more than once, as questions and answers may be lost.
func (a *asker) path() error {
	session := a.session - 1
	for end := time.Now().Add(pathTimeout); time.Now().Before(end); {
		q := a.key.Append(nil, Message{Kind: PathQuestion, Session: session}, PathSize)
		if _, err := a.conn.Write(q); err != nil && !isTooLong(err) {
			return err
		}
		_, b, err := a.next(session, time.Now().Add(pathPause))
		switch {
		case err == nil:
			a.report.Path = parsePath(b)
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
	}
	return nil
}

// ask sends a question.
func (a *asker) ask(m Message, size int) error {
	m.Kind = Question
	_, err := a.conn.Write(a.key.Append(nil, m, size))
	return err
}

// next is the next answer of a session that arrives before the deadline, with its bytes. An error
// is os.ErrDeadlineExceeded or one of the socket.
func (a *asker) next(session uint64, deadline time.Time) (Message, []byte, error) {
	if err := a.conn.SetReadDeadline(deadline); err != nil {
		return Message{}, nil, err
	}
	buf := make([]byte, 1<<16)
	for {
		n, err := a.conn.Read(buf)
		if err != nil {
			return Message{}, nil, err
		}
		m, ok := a.key.Parse(buf[:n])
		if ok && (m.Kind == Answer || m.Kind == PathAnswer) && m.Session == session {
			return m, buf[:n], nil
		}
	}
}

// first asks until something answers. A refusal counts only if nothing does: it may be an
// old one.
func (a *asker) first() error {
	end := time.Now().Add(a.timeout)
	var refused error
	var sent [repeats]time.Time
	for try := range repeats {
		sent[try] = time.Now()
		if err := a.ask(Message{Session: a.session + 1, Uncounted: true, Seq: uint32(try)}, Size); err != nil {
			refused = err
			continue
		}
		m, _, err := a.next(a.session+1, sent[try].Add(time.Until(end)/time.Duration(repeats-try)))
		switch {
		case err == nil && m.Seq < repeats:
			a.prove(m, time.Since(sent[m.Seq]))
			return nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			refused = err
		}
	}
	if refused != nil {
		return refused
	}
	return ErrNoAnswer
}

// wait is how long an answer is waited for.
func (a *asker) wait() time.Duration {
	return min(max(8*time.Duration(a.report.RTT), minWait), a.timeout)
}

// series measures loss, order and duplicates in each direction. What the far end sent is
// numbered by its own counts: each of its answers has another sum of them.
func (a *asker) series() error {
	forward, back := &probe.Direction{Sent: questions}, new(probe.Direction)
	var sentAt [questions]time.Time
	seen := make(map[uint32]bool)
	latest := uint32(0)
	next := time.Now()
	for sent := 0; ; {
		if sent < questions && !time.Now().Before(next) {
			sentAt[sent] = time.Now()
			if err := a.ask(Message{Session: a.session, Seq: uint32(sent)}, Size); err != nil {
				return err
			}
			sent, next = sent+1, next.Add(interval)
		}
		until := next
		if sent == questions {
			until = sentAt[sent-1].Add(a.wait())
		}
		m, _, err := a.next(a.session, until)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if sent == questions {
				break
			}
			continue
		} else if err != nil {
			return err
		}
		number := m.Arrived + m.Duplicated
		switch {
		case seen[number]:
			back.Duplicated++
			continue
		case number < latest:
			back.Reordered++
		}
		latest, seen[number] = max(latest, number), true
		forward.TTL = m.TTL
		if m.Seq < questions {
			a.prove(m, time.Since(sentAt[m.Seq]))
		}
		if len(seen) == questions && sent == questions {
			break
		}
	}
	back.Arrived = len(seen)
	a.report.Forward, a.report.Back = forward, back
	for try := range repeats {
		if err := a.ask(Message{Session: a.session, Uncounted: true, Seq: uint32(questions + try)}, Size); err != nil {
			return err
		}
		m, _, err := a.next(a.session, time.Now().Add(a.wait()))
		for err == nil && m.Seq < questions { // a late one of the series
			m, _, err = a.next(a.session, time.Now().Add(a.wait()))
		}
		if err == nil {
			forward.Arrived, forward.Reordered, forward.Duplicated = int(m.Arrived), int(m.Reordered), int(m.Duplicated)
			back.Sent = int(m.Arrived + m.Duplicated)
			return nil
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	// The counts were lost: what is known is the last that arrived.
	a.report.Forward, a.report.Back = nil, nil
	return nil
}

// sizes finds the longest packet that passes whole, first to the far end, then back. A packet
// that is known to be too long is not sent.
func (a *asker) sizes() error {
	most, err := dontFragment(a.conn)
	if err != nil || most == 0 || a.report.Forward == nil {
		return nil // this system does not report it: nothing is measured
	}
	header := 28
	if a.report.Source.Addr().Is6() {
		header = 48
	}
	most = min(most, 65535, 65507+header)
	to, err := a.longest(Size+header, most, header, false)
	if err != nil {
		return err
	}
	a.report.Forward.MTU, a.report.Forward.MTUTried = to, most
	if to > 0 {
		a.report.Back.MTU, err = a.longest(Size+header, to, header, true)
		a.report.Back.MTUTried = to
	}
	return err
}

// longest is the largest size from low to high, in bytes of the IP packet, that passes; 0 if none does.
func (a *asker) longest(low, high, header int, padded bool) (int, error) {
	passed := 0
	for size := high; low <= high; size = (low + high + 1) / 2 {
		ok, err := a.passes(size-header, padded)
		if err != nil {
			return 0, err
		}
		if ok {
			passed, low = size, size+1
		} else {
			high = size - 1
		}
	}
	return passed, nil
}

// passes reports whether a datagram of so many bytes arrives at the far end, and, if it is
// padded, whether one of the same length comes back.
func (a *asker) passes(size int, padded bool) (bool, error) {
	session := a.session + 2 + uint64(size)<<1 // one for each size: late answers do not count
	if padded {
		session++
	}
	for try := range repeats {
		m := Message{Session: session, Uncounted: true, PadAnswer: padded, Seq: uint32(try)}
		err := a.ask(m, size)
		if isTooLong(err) { // this one, or one before it
			err = a.ask(m, size)
		}
		if isTooLong(err) {
			return false, nil
		} else if err != nil {
			return false, err
		}
		wait := a.wait()
		if try < repeats-1 {
			wait /= repeats
		}
		got, b, err := a.next(session, time.Now().Add(wait))
		switch {
		case err == nil:
			return int(got.Length) == size && (!padded || len(b) == size), nil
		case isTooLong(err):
			return false, nil
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return false, err
		}
	}
	return false, nil
}
