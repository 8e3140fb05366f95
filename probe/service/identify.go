package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/recog"
	"onmux/probe/request"
	"onmux/probe/service/answer"
)

// Options bound one identification. The zero value is ready to use.
type Options struct {
	Host     string        // the name that led to the address, for TLS and HTTP; may be empty
	RTT      time.Duration // as measured; 0 if it was not: a distant peer is assumed
	Timeout  time.Duration // for the whole, including a greeting; 0 is DefaultTimeout
	Thorough bool          // every request is sent, if need be; without a Timeout, for ThoroughTimeout

	StartTLS bool // change to TLS where the service offers that, on a connection of its own, for the certificate

	// Conn is a connection to the endpoint on which nothing was sent yet, for the first request. It belongs to Identify.
	Conn net.Conn

	// Asked is the request that a UDP port was sent already, if any, AskedAt when, and Answer what came back, if
	// anything did, after AnswerAfter.
	Asked       *request.Request
	AskedAt     time.Time
	Answer      []byte
	AnswerAfter time.Duration

	Local probe.Local // from where connections are made

	// Library identifies software that no rule does; nil is none.
	Library *recog.Library

	// Log receives the evidence; nil is none.
	Log *Log

	port uint16
}

// Log is the evidence of one identification.
type Log struct {
	Exchanges []probe.Exchange
	Stopped   *probe.Withdrawal // nil if the peer accepted all connections
}

const (
	// DefaultTimeout bounds an identification. Servers that do not greet at once do so within 5 s (sendmail's
	// greet_pause; a resolver's timeout, resolv.conf(5)).
	DefaultTimeout = 5900 * time.Millisecond
	// ThoroughTimeout is the same where every request may be sent.
	ThoroughTimeout = time.Minute

	unknownRTT  = 100 * time.Millisecond
	loopbackRTT = time.Millisecond
)

func (o *Options) timeout() time.Duration {
	switch {
	case o.Timeout > 0:
		return o.Timeout
	case o.Thorough:
		return ThoroughTimeout
	}
	return DefaultTimeout
}

// Identify identifies the service on e, which must be open. On ports whose servers send
// first it waits for a greeting; on others it sends the port's own request, or waits for a
// moment and then sends an HTTP request, a ClientHello of TLS and others, one at a time,
// the likeliest first, until an answer names the service and, where one may, the software
// and its version. Inside TLS it does the same again. Where one connection may carry several
// requests, it does. A peer that stays silent gets 6 connections, any other at most 8, and
// never more than two at a time; it reads at most 64 KiB of each, closes it by a FIN, and
// ends within o.Timeout.
//
// Nothing that it sends changes anything at the peer or logs anyone in.
//
// A peer that no rule knows is the Service "unknown", with the kind of its answer, or
// of its silence, in Info; a UDP port that stayed silent is nil, since nothing is known
// to be there. The error is why no answer was received: there was no connection, ctx
// ended (its error), or this machine ran out of something (probe.ErrBusy). Calls may
// run at the same time.
func Identify(ctx context.Context, e probe.Endpoint, o Options) (*probe.Service, error) {
	if !e.Addr.IsValid() || e.Port == 0 {
		return nil, fmt.Errorf("%s: no endpoint to identify", e)
	}
	if o.RTT <= 0 && e.Addr.IsLoopback() {
		o.RTT = loopbackRTT
	}
	switch e.Proto {
	case probe.TCP:
		d := o.Local.Dialer("tcp", e.Addr)
		return newSearch(func(ctx context.Context) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", e.AddrPort().String())
		}, e.Port, o).identify(ctx)
	case probe.UDP:
		return identifyUDP(ctx, e.AddrPort(), o)
	}
	return nil, fmt.Errorf("%s: no protocol to identify by; use tcp or udp", e)
}

func (s *search) identify(ctx context.Context) (*probe.Service, error) {
	ours, cancel := context.WithDeadline(ctx, s.deadline)
	defer cancel()
	defer s.report()
	outer := &layer{search: s, dial: s.dial, plan: newPlan(s.o.port, &s.o, s.conns, s.o.Conn != nil)}
	if s.o.Conn != nil {
		s.number, s.conns.made = 1, 1
		outer.current = s.session(s.o.Conn)
	}
	outer.run(ours)
	t := outer.tunnel
	if t == nil {
		found, err := outer.verdict(ctx)
		if err == nil && s.o.StartTLS {
			s.changeToTLS(ours, found)
		}
		return found, err
	}
	inner := &layer{search: s, dial: t.within(s.dial, s.pace.answerWait), plan: newInnerPlan(outer.plan, &s.o, t)}
	inner.current = s.session(t)
	inner.run(ours)
	found := &probe.Service{Name: "tls", Confidence: probe.High, Probe: clientHello.Name, Rule: "tls-handshake"}
	in, err := inner.verdict(ctx)
	switch {
	case err == nil && in.Rule != "":
		found = in
		if name := tlsNames[in.Name]; name != "" {
			found.Name = name
		}
	case err == nil && (inner.alert == nil || t.facts.ClientCert == ""):
		found.Info, found.Banner, found.Raw = "inside: "+in.Info, in.Banner, in.Raw
	}
	found.TLS, found.StartTLS, found.Alert = t.facts, nil, nil
	if refusesWithoutCertificate(t.facts, inner.alert, found.HTTP) {
		t.facts.ClientCert = probe.Required
	}
	s.addProtocols(ours, found, s.dial)
	s.o.name(found, []answer.SoftwareText{{File: "x509_subjects", Text: t.facts.Subject}})
	return found, nil
}

// refusesWithoutCertificate reports whether a server that requests a certificate goes no further
// without: it sends an alert (TLS 1.3 does so after the handshake) or, as nginx and Apache do, a page.
func refusesWithoutCertificate(f *probe.TLS, a *probe.Alert, page *probe.HTTP) bool {
	if f.ClientCert == "" {
		return false
	}
	return a != nil && a.Needs == probe.NeedsCertificate ||
		page != nil && (page.Status == 496 || page.Status >= 400 && strings.Contains(page.Title, "SSL certificate"))
}

// report writes the evidence for the caller.
func (s *search) report() {
	if s.o.Log != nil {
		slices.SortStableFunc(s.log, func(a, b probe.Exchange) int { return a.Time.Compare(b.Time) })
		*s.o.Log = Log{Exchanges: s.log, Stopped: s.stopped}
	}
}

// verdict is what the layer's answers come to.
func (l *layer) verdict(ctx context.Context) (*probe.Service, error) {
	l.settle(l.refused == 0)
	switch {
	case l.best.Rule != nil:
		found := l.describe()
		if found.Name == "tls" {
			found.Info = cmp.Or(found.Info, l.note)
		}
		l.o.name(found, l.best.SoftwareTexts())
		return found, nil
	case l.unknown != nil:
		return answer.Match{Answer: l.unknown}.Report(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case l.plan.accepted == 0 && probe.IsBusy(l.err):
		return nil, fmt.Errorf("%w: %w", probe.ErrBusy, l.err)
	case l.plan.accepted == 0 && l.err != nil && !errors.Is(l.err, context.DeadlineExceeded):
		return nil, fmt.Errorf("no connection to identify the service on: %w", l.err)
	}
	return &probe.Service{Name: "unknown", Info: l.describeSilence()}, nil
}

// describeSilence states what a peer did that has sent nothing.
func (l *layer) describeSilence() string {
	how := "sends nothing"
	switch {
	case l.reset > 0 && l.reset == l.closed:
		how = "resets the connection"
	case l.closed > 0:
		how = "closes without sending anything"
	}
	if l.refused > 0 {
		how += ", and refuses further connections"
	}
	all := 1 + len(l.queue) // all that there are, and waiting
	sent := make(map[string]bool)
	for _, x := range l.log {
		sent[x.Request] = true
	}
	for name := range sent {
		if !slices.ContainsFunc(l.queue, func(r *request.Request) bool { return r.Name == name }) && name != waiting.Name {
			all++
		}
	}
	return fmt.Sprintf("%s (%d of %d requests sent in %.1f s)", how, len(sent), all, time.Since(l.started).Seconds())
}
