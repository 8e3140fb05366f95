package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"onmux/probe"
	"onmux/probe/recog"
	"onmux/probe/service/answer"
)

// Options bound one identification. The zero value is ready to use.
type Options struct {
	Host     string        // the name that led to the address, for TLS and HTTP; may be empty
	RTT      time.Duration // as measured; 0 if it was not: a distant peer is assumed
	Deadline time.Duration // for the whole; 0 is DefaultDeadline

	// Library identifies software that no rule does; nil is none.
	Library *recog.Library
}

// DefaultDeadline bounds an identification.
const DefaultDeadline = 10 * time.Second

const (
	maxConns    = 20 // that one identification makes
	maxParallel = 4  // handshakes under way besides the opening ones
	// maxDatagrams is the same for UDP, where each is one small datagram.
	maxDatagrams = 8
	unknownRTT   = 100 * time.Millisecond
	loopbackRTT  = time.Millisecond
)

// Identify identifies the service on e, which must be open. It waits for a greeting,
// sends a ClientHello of TLS and an HTTP request, each on a connection of its own, and
// then other requests, likeliest first, at most 4 at a time, until an answer names the
// service and, where one may, the software and its version. While the peer sends
// nothing, it closes the connections that only wait, since a peer may serve one at a
// time, and waits once more later. Inside TLS it does the same again. It makes at most
// 20 connections, reads at most 64 KiB of each, and ends within o.Deadline.
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
		d := net.Dialer{KeepAlive: -1}
		return newSearch(func(ctx context.Context) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", e.AddrPort().String())
		}, e.Port, o).identify(ctx)
	case probe.UDP:
		return identifyUDP(ctx, e.AddrPort(), o)
	}
	return nil, fmt.Errorf("%s: no protocol to identify by; use tcp or udp", e)
}

// search is one identification over TCP.
type search struct {
	dial         dialer
	port         uint16
	o            Options
	pace         pace
	started      time.Time
	deadline     time.Time
	connsLeft    int // connections that may still be made
	requestsSent int
}

func newSearch(dial dialer, port uint16, o Options) *search {
	if o.RTT <= 0 {
		o.RTT = unknownRTT
	}
	if o.Deadline <= 0 {
		o.Deadline = DefaultDeadline
	}
	pace := paceOf(o.RTT)
	if waiting.UsualOn(port) {
		pace = pace.forGreeter(o.RTT)
	}
	now := time.Now()
	return &search{dial: dial, port: port, o: o, pace: pace, started: now, deadline: now.Add(o.Deadline),
		connsLeft: maxConns}
}

func (s *search) identify(ctx context.Context) (*probe.Service, error) {
	ours, cancel := context.WithDeadline(ctx, s.deadline)
	defer cancel()
	outer := s.layer(s.dial, nil)
	outer.run(ours)
	t := outer.tunnel
	if t == nil {
		return outer.verdict(ctx)
	}
	inner := s.layer(t.within(s.dial, s.pace.patience), t)
	inner.run(ours)
	found := &probe.Service{Name: "tls", Confidence: probe.High, Probe: clientHello.Name, Rule: "tls-handshake"}
	in, err := inner.verdict(ctx)
	switch {
	case err == nil && in.Rule != "":
		found = in
		if name := tlsNames[in.Name]; name != "" {
			found.Name = name
		}
	case err == nil:
		found.Info, found.Banner, found.Raw = "inside: "+in.Info, in.Banner, in.Raw
	}
	found.TLS = t.facts
	s.o.name(found, []answer.SoftwareText{{File: "x509_subjects", Text: t.facts.Subject}})
	return found, nil
}

// verdict is what the layer's answers come to.
func (l *layer) verdict(ctx context.Context) (*probe.Service, error) {
	switch {
	case l.best.Rule != nil:
		found := l.best.Report()
		if found.Name == "tls" {
			found.Info = cmp.Or(found.Info, l.note)
		}
		l.o.name(found, l.best.SoftwareTexts())
		return found, nil
	case l.unknown != nil:
		return answer.Match{Answer: l.unknown}.Report(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case l.accepted == 0 && probe.IsBusy(l.err):
		return nil, fmt.Errorf("%w: %w", probe.ErrBusy, l.err)
	case l.accepted == 0 && l.err != nil && !errors.Is(l.err, context.DeadlineExceeded):
		return nil, fmt.Errorf("no connection to identify the service on: %w", l.err)
	}
	return &probe.Service{Name: "unknown", Info: l.describeSilence()}, nil
}
