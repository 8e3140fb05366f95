package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Conduct is what an open TCP port does with a connection.
type Conduct string

// The kinds of conduct.
const (
	Speaks         Conduct = "speaks"             // it said something
	Silent         Conduct = "silent"             // it took data and said nothing
	ZeroWindow     Conduct = "zero-window"        // it takes no data
	ResetAtOnce    Conduct = "reset-at-once"      // it accepted, and reset the connection before a word
	ClosesAtOnce   Conduct = "closes-at-once"     // so, in good order
	ResetOnData    Conduct = "reset-on-data"      // it reset the connection when it was told something
	ClosesOnData   Conduct = "closes-on-data"     // so, in good order
	Unacknowledged Conduct = "never-acknowledged" // what it was told never arrived
	Unconfirmed    Conduct = "unconfirmed"        // no further connection came about
)

// Conducts lists every kind.
func Conducts() []Conduct {
	return []Conduct{Speaks, Silent, ZeroWindow, ResetAtOnce, ClosesAtOnce, ResetOnData, ClosesOnData, Unacknowledged, Unconfirmed}
}

// What an accepted connection may show at the first look, and a second one then
// does not tell again.
const (
	NoteZeroWindow = "it accepts connections with a zero window and takes no data, as proxies and tarpits do"
	NoteReset      = "it resets accepted connections before a word: a filter by address, or no service"
)

// conducts say in words what each is, and how far `open` is then to be trusted.
var conducts = map[Conduct]struct {
	words      string
	confidence Confidence
}{
	Speaks:         {"it speaks", High},
	Silent:         {"it takes data and says nothing: so does a service that waits for its own protocol, and so does a decoy", High},
	ZeroWindow:     {NoteZeroWindow, Low},
	ResetAtOnce:    {NoteReset, Medium},
	ClosesAtOnce:   {"it closes accepted connections before a word: a filter by address, or no service", Medium},
	ResetOnData:    {"it resets a connection as soon as it is told something", Medium},
	ClosesOnData:   {"it closes a connection as soon as it is told something", High},
	Unconfirmed:    {"it answered, and no connection came about: a limit, or no service", Medium},
	Unacknowledged: {"it accepts connections and never acknowledges data: something in between answers, not a service", Low},
}

// Openness is what VerifyOpen finds behind an open port.
type Openness struct {
	Conduct    Conduct `json:"conduct,omitempty"`   // of a TCP port, if it was looked at
	Controls   int     `json:"controls,omitzero"`   // other ports of the host that were asked, taken at random
	Answered   int     `json:"answered,omitzero"`   // how many of them are open too
	Everywhere bool    `json:"everywhere,omitzero"` // all are: the host, or something before it, answers on every port
}

// VerifyOptions bound VerifyOpen.
type VerifyOptions struct {
	Timeout  time.Duration // for each connection; must be > 0
	RTT      time.Duration // as measured, to wait no longer than it takes; 0: not known
	Controls []uint16      // ports to ask besides; nil: controlPorts of them at random
}

const (
	controlPorts = 4
	controlFew   = 3 // with fewer that were measured, nothing is said of every port
	controlFirst = 20000
	controlLast  = 60999

	greetFor  = 400 * time.Millisecond // a service that greets does so by then, and four round trips
	answerFor = time.Second            // from when it was told something
	ackFor    = 500 * time.Millisecond // the longest that TCP may put off an acknowledgement (RFC 9293, section 3.8.6.3)
)

// VerifyOpen looks at what stands behind e, which is known to be open: over TCP
// it listens on a connection, says a bare CRLF if nothing is said to it, and
// looks what becomes of that; and it asks other ports of the host, on which
// nothing should answer, as AskControls does. That takes one connection to e and
// one to each of them.
//
// The error is non-nil only if nothing can be said: it wraps ErrBusy or is the
// context's.
func VerifyOpen(ctx context.Context, e Endpoint, o VerifyOptions) (Openness, error) {
	var found Openness
	var looking sync.WaitGroup
	var broken error
	if why := objection(e, Options{Timeout: o.Timeout}); why != "" {
		return found, errors.New(why)
	}
	looking.Go(func() { found.Conduct, broken = AskConduct(ctx, e, o) })
	controls, err := AskControls(ctx, e, o)
	looking.Wait()
	found.Controls, found.Answered, found.Everywhere = controls.Controls, controls.Answered, controls.Everywhere
	if found.Controls == 0 {
		return found, errors.Join(err, broken)
	}
	return found, broken
}

// AskControls asks ports of e's host on which nothing should answer. Conduct is
// left empty. The error is non-nil only if none could be asked.
func AskControls(ctx context.Context, e Endpoint, o VerifyOptions) (Openness, error) {
	if why := objection(e, Options{Timeout: o.Timeout}); why != "" {
		return Openness{}, errors.New(why)
	}
	controls := o.Controls
	if controls == nil {
		controls = randomPorts(e.Port)
	}
	var found Openness
	var all sync.WaitGroup
	states, errs := make([]State, len(controls)), make([]error, len(controls))
	for i, port := range controls {
		all.Go(func() {
			control := Endpoint{Addr: e.Addr, Port: port, Proto: e.Proto}
			var r Result
			r, errs[i] = Ask(ctx, control, Options{Timeout: o.Timeout})
			states[i] = r.State
		})
	}
	all.Wait()
	for i, s := range states {
		if errs[i] == nil && s != Unknown {
			found.Controls++
		}
		if s == Open {
			found.Answered++
		}
	}
	found.Everywhere = found.Controls >= controlFew && found.Answered == found.Controls
	if found.Controls == 0 {
		return found, errors.Join(errs...)
	}
	return found, nil
}

// randomPorts are ports on which nothing is registered that is often there.
func randomPorts(except uint16) []uint16 {
	var out []uint16
	for len(out) < controlPorts {
		p := uint16(controlFirst + rand.N(controlLast-controlFirst+1))
		if p != except && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// AskConduct makes one connection to e and looks what e does with it; over UDP
// there is none. Conditions and errors are those of VerifyOpen.
func AskConduct(ctx context.Context, e Endpoint, o VerifyOptions) (Conduct, error) {
	if e.Proto != TCP {
		return "", nil
	}
	deadline := time.Now().Add(o.Timeout)
	d := net.Dialer{Deadline: deadline, KeepAlive: -1}
	c, err := d.DialContext(ctx, "tcp", e.AddrPort().String())
	switch {
	case err != nil && ctx.Err() != nil:
		return "", ctx.Err()
	case classify(errno(err)) == faultReset:
		return ResetAtOnce, nil
	case IsBusy(err):
		return "", busy(e, err)
	case err != nil:
		return Unconfirmed, nil // it was open a moment ago
	}
	conn := c.(*net.TCPConn)
	defer conn.Close()
	_ = conn.SetLinger(0)
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	half := time.Now().Add(o.Timeout / 2) // the rest is for what comes of the CRLF
	k, over := hearOut(conn, earliest(half, greetFor+4*o.RTT), map[fault]Conduct{faultOther: ClosesAtOnce, faultReset: ResetAtOnce})
	if over || ctx.Err() != nil {
		return k, ctx.Err()
	}
	if window, known := peerWindow(conn); known && window == 0 {
		return ZeroWindow, nil
	}
	if _, err := conn.Write([]byte("\r\n")); err != nil {
		return ResetAtOnce, ctx.Err()
	}
	told := time.Now()
	k, over = hearOut(conn, earliest(deadline, answerFor+4*o.RTT), map[fault]Conduct{faultOther: ClosesOnData, faultReset: ResetOnData})
	if over || ctx.Err() != nil {
		return k, ctx.Err()
	}
	if owed, known := unacknowledged(conn); known && owed && time.Since(told) >= ackFor {
		return Unacknowledged, nil
	}
	return Silent, nil
}

func earliest(deadline time.Time, wait time.Duration) time.Time {
	if t := time.Now().Add(wait); t.Before(deadline) {
		return t
	}
	return deadline
}

// hearOut waits for a word, or the end of the connection, which ends names.
func hearOut(conn net.Conn, until time.Time, ends map[fault]Conduct) (Conduct, bool) {
	if conn.SetReadDeadline(until) != nil {
		return "", false
	}
	var word [1]byte
	n, err := conn.Read(word[:])
	switch {
	case n > 0:
		return Speaks, true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "", false
	case errors.Is(err, syscall.ETIMEDOUT):
		return Unacknowledged, true
	case classify(errno(err)) == faultReset:
		return ends[faultReset], true
	}
	return ends[faultOther], true
}

// told is the finding in words, and how far `open` is to be trusted for it: what
// casts doubt on that, the most telling first, and what does not. What was named there
// stands against the doubt.
func (v Openness) told(named bool) (doubts, others []string, c Confidence) {
	c = High
	if v.Everywhere && named {
		doubts = append(doubts, fmt.Sprintf("its host answers on every port: %d of %d others, taken at random, are open too; but this one speaks", v.Answered, v.Controls))
		c = Medium
	} else if v.Everywhere {
		doubts = append(doubts, fmt.Sprintf("it answers on every port: %d of %d others, taken at random, are open too, so that this one says nothing of a service", v.Answered, v.Controls))
		c = Low
	} else if v.Answered > 0 {
		doubts = append(doubts, fmt.Sprintf("%d of %d other ports, taken at random, are open too", v.Answered, v.Controls))
		c = Medium
	}
	k, ok := conducts[v.Conduct]
	switch {
	case ok && k.confidence == High:
		others = append(others, k.words)
	case ok:
		doubts = append(doubts, k.words)
		c = lower(c, k.confidence)
	}
	return doubts, others, c
}

// lower is the lesser of two confidences.
func lower(a, b Confidence) Confidence {
	for _, c := range []Confidence{Low, Medium} {
		if a == c || b == c {
			return c
		}
	}
	return High
}

// Decoy reports whether a Result is open as every port of its host is, and no service was
// named: what answers there is no evidence of one.
func (r *Result) Decoy() bool {
	return r.State == Open && r.Openness != nil && r.Openness.Everywhere && !r.named()
}

func (r *Result) named() bool { return r.Service != nil && r.Service.Name != "unknown" }

// Doubt adds to an open Result what VerifyOpen found: what casts doubt on it as
// notes, the rest as evidence.
func (v Openness) Doubt(r *Result) {
	r.Openness = &v
	doubts, others, c := v.told(r.named())
	r.Evidence = append(slices.Clone(r.Evidence), others...)
	if c == High {
		return
	}
	r.Confidence, r.Notes = lower(r.Confidence, c), slices.Clone(r.Notes)
	for _, d := range doubts {
		if !slices.Contains(r.Notes, d) {
			r.Notes = append(r.Notes, d)
		}
	}
}
