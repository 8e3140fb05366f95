package probe

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe/request"
)

// exchangeUDP sends one datagram from a connected socket and waits for a datagram or
// an ICMP error about it.
func exchangeUDP(ctx context.Context, e Endpoint, o Options) (Result, error) {
	for range maxSockets {
		r, err := exchangeOnce(ctx, e, o)
		if err != errRetry {
			return r, err
		}
	}
	return Result{}, busy(e, fmt.Errorf("%d sockets in a row had the port that they probe", maxSockets))
}

func exchangeOnce(ctx context.Context, e Endpoint, o Options) (Result, error) {
	s, err := openSocket(e.Addr, unix.SOCK_DGRAM, true)
	if err != nil {
		return noSocket(e, err)
	}
	u := &exchange{socket: s, e: e, o: o}
	defer u.close()
	if err := u.bind(o.Local); err != nil {
		return unmeasured(e, o.Local.bindError(err)), nil
	}
	if err := u.limitHops(o.HopLimit); err != nil {
		return failed(e, errno(err))
	}
	if err := u.connectPeer(e); err != nil {
		if err == unix.EADDRNOTAVAIL { // with UDP it is EAGAIN when ports run out
			return unmeasured(e, fmt.Sprintf("this machine has no address to reach %s from (%v)", e.Addr, err)), nil
		}
		return failed(e, errno(err))
	}
	if isSelf(&u.socket, e) {
		return Result{}, errRetry
	}
	u.start, u.sent = time.Now(), 1
	if err := u.send(); err != nil && !u.ready() {
		return failed(e, errno(err))
	}
	r, err := u.awaitAnswer(ctx)
	if err == nil {
		addRoute(&u.socket, e, o, &r, time.Since(u.start))
	}
	return r, err
}

// exchange is one request over UDP and the answer to it.
type exchange struct {
	socket
	e     Endpoint
	o     Options
	start time.Time

	sent     int // datagrams
	answered bool
	result   Result
}

// connectPeer connects the socket to e; where the answer may come from another port, to no
// port of the host, so that it receives from all of them.
func (u *exchange) connectPeer(e Endpoint) error {
	if u.o.Payload == nil && request.RepliesFromNewPort(e.Port, u.o.Try) {
		e.Port = 0
	}
	return u.connect(e)
}

func (u *exchange) send() error {
	b := u.o.payload(u.e.Port)
	if u.o.Payload != nil || !request.RepliesFromNewPort(u.e.Port, u.o.Try) {
		return unix.Send(u.fd, b, unix.MSG_DONTWAIT)
	}
	to, err := u.sockaddr(u.e)
	if err != nil {
		return err
	}
	return unix.Sendto(u.fd, b, unix.MSG_DONTWAIT, to)
}

func (u *exchange) awaitAnswer(ctx context.Context) (Result, error) {
	if u.answered || u.ready() {
		return u.result, nil
	}
	waits := []time.Duration{u.o.Timeout}
	if u.o.Resend {
		waits = []time.Duration{u.o.Timeout / 2, u.o.Timeout}
	}
	for i, wait := range waits {
		if i > 0 { // ready finds the error
			_ = u.send()
			u.sent++
		}
		err := u.await(ctx, u.start.Add(wait), false, u.ready)
		if err == nil {
			return u.result, nil
		}
		if err := waitError(ctx, u.e, err); err != nil {
			return Result{}, err
		}
	}
	r := judged(u.e, NoResponse, false, 0)
	if u.o.Evidence {
		r.Facts = []Fact{{
			Kind: FactSilence, After: Millis(time.Since(u.start)), Count: u.sent, Size: len(u.o.payload(u.e.Port)),
		}}
	}
	return r, nil
}

// ready reads what has arrived and reports whether it decides. A datagram outweighs any
// ICMP error.
func (u *exchange) ready() bool {
	var payload [maxReply]byte
	var control [controlSize]byte
	var port uint16
	for range 64 {
		n, cn, err := u.receive(payload[:], control[:], &port, unix.MSG_TRUNC)
		switch err {
		case 0:
			if port != u.e.Port && !request.IsNewPortReply(payload[:min(n, len(payload))]) {
				continue // of another service of the host: the socket receives from all of its ports
			}
			u.replied(payload[:min(n, len(payload))], n, parseControl(control[:cn]).ttl)
			return true
		case unix.EAGAIN:
			return u.answered
		case unix.EINTR:
		default: // the pending error of an ICMP message, which is cleared now
			u.readErrors()
		}
	}
	return u.answered
}

func (u *exchange) replied(b []byte, size int, ttl uint8) {
	d := time.Since(u.start)
	u.answered, u.result = true, judged(u.e, UDPResponse, true, d)
	u.result.TTL = ttl
	u.dropRTT()
	if u.o.Replied != nil {
		u.o.Replied(b)
	}
	if u.o.Evidence {
		u.result.Facts = []Fact{replyFact(b, size, d, u.sent)}
	}
}

func (u *exchange) readErrors() {
	if u.answered {
		return
	}
	if c, self, ok := u.icmpError(u.e); ok {
		u.answered, u.result = true, u.judgeICMP(u.e, c, self, time.Since(u.start), u.o)
		u.dropRTT()
	}
}

// dropRTT removes the time of an answer if it may answer either datagram (Karn and
// Partridge, "Improving Round-Trip Time Estimates in Reliable Transport Protocols",
// SIGCOMM 1987).
func (u *exchange) dropRTT() {
	if u.sent > 1 {
		u.result.RTT = 0
	}
}
