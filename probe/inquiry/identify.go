package inquiry

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"onmux/probe"
	"onmux/probe/request"
	"onmux/probe/service"
)

// known is what the attempt at an endpoint leaves to identify the service by: the connection,
// or the request that was sent and the answer.
type known struct {
	conn   net.Conn
	asked  *request.Request
	at     time.Time
	answer []byte
	after  time.Duration
}

// take returns the connection, which belongs to the caller then.
func (k *known) take() net.Conn {
	c := k.conn
	k.conn = nil
	return c
}

func (k *known) close() {
	if c := k.take(); c != nil {
		leave(c)
	}
}

// leave ends a connection that showed the state and is of no further use.
func leave(c net.Conn) { probe.Leave(c, time.Now().Add(leaveFor)) }

// leaveFor is how long a peer may take to end its side.
const leaveFor = 50 * time.Millisecond

// options are those of an identification.
func (q *Inquiry) options(log *service.Log) service.Options {
	return service.Options{Timeout: q.identifyTimeout, Thorough: q.Thorough, StartTLS: q.StartTLS,
		Local: q.Local.WithoutPort(), Library: q.Library, Log: log}
}

// identify finds out the service of an open endpoint.
func (q *Inquiry) identify(ctx context.Context, r *probe.Result, k *known) (err error) {
	var log service.Log
	o := q.options(&log)
	o.Host, o.RTT, o.Conn = r.Host, time.Duration(r.RTT), k.take()
	o.Asked, o.AskedAt, o.Answer, o.AnswerAfter = k.asked, k.at, k.answer, k.after
	r.Service, err = service.Identify(ctx, r.Endpoint, o)
	if r.Exchanges = log.Exchanges; log.Stopped != nil {
		q.probeAgain(ctx, r, *log.Stopped)
	}
	return err
}

// probeAgain finds out the state of an endpoint that has stopped accepting connections.
func (q *Inquiry) probeAgain(ctx context.Context, r *probe.Result, w probe.Withdrawal) {
	r.Withdrawn = &w
	again, err := probe.Do(ctx, r.Endpoint, probe.Options{Timeout: q.Timeout, Evidence: true, Local: q.Local.WithoutPort(),
		Accepted: leave})
	if err != nil || again.State == probe.Unknown {
		return
	}
	r.Tries += again.Tries
	addFact(r, again.Facts...)
	if again.State != r.State {
		r.State, r.Reason, r.RTT, r.TTL = again.State, again.Reason, again.RTT, again.TTL
		r.Responder, r.ICMP, r.Confidence = again.Responder, again.ICMP, again.Confidence
	}
}

// identifying makes one attempt, and keeps what the service can be identified by. A UDP port
// that stays silent is sent the requests of other services meanwhile: if it answers one of
// those, it is open after all.
func (q *Inquiry) identifying(ctx context.Context, e probe.Endpoint, o probe.Options, k *known) (
	probe.Result, error) {
	switch {
	case !q.Identify:
		return probe.Do(ctx, e, o)
	case e.Proto != probe.UDP:
		o.Accepted = func(c net.Conn) {
			k.close()
			k.conn = c
		}
		return probe.Do(ctx, e, o)
	}
	start := time.Now()
	if k.asked, k.at = service.FirstDatagram(e.Port), start; !request.HasPayload(e.Port) {
		o.Payload, o.Resend = k.asked.Bytes(""), false // others follow instead
	}
	o.Replied = func(b []byte) { k.answer, k.after = slices.Clone(b), time.Since(start) }
	attempt, stopAttempt := context.WithCancel(ctx)
	identify, stopIdentifying := context.WithTimeout(attempt, o.Timeout)
	var found *probe.Service
	var log service.Log
	var others sync.WaitGroup
	others.Go(func() {
		if probe.Sleep(identify, udpHead) != nil {
			return
		}
		options := q.options(&log)
		options.Asked, options.AskedAt = k.asked, start
		if found, _ = service.Identify(identify, e, options); found != nil {
			stopAttempt()
		}
	})
	r, err := probe.Do(attempt, e, o)
	if err == nil && r.State != probe.OpenFiltered {
		stopIdentifying()
	}
	others.Wait()
	stopIdentifying()
	stopAttempt()
	r.Exchanges = log.Exchanges
	if found == nil || err == nil && r.State != probe.OpenFiltered {
		return r, err
	}
	took := time.Since(start).Round(time.Millisecond)
	return probe.Result{
		Endpoint: e, State: probe.Open, Reason: probe.UDPResponse, Tries: 1, Confidence: probe.High,
		Details: probe.Details{
			Service: found, Exchanges: log.Exchanges,
			Facts: []probe.Fact{{Kind: probe.FactReplyTo, Text: found.Probe, After: probe.Millis(took)}},
		},
	}, nil
}
