package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"onmux/probe"
	"onmux/probe/request"
)

// identifyUDP sends one datagram after the other; to a peer that has answered it sends
// only those that may find out the version.
func identifyUDP(ctx context.Context, target netip.AddrPort, o Options) (*probe.Service, error) {
	s := newSearch(func(ctx context.Context) (net.Conn, error) { return dialAny(ctx, target) }, target.Port(), o)
	s.pace.patience = min(4*s.o.RTT+250*time.Millisecond, 2*time.Second)
	ours, cancel := context.WithDeadline(ctx, s.deadline)
	defer cancel()
	l := s.datagrams()
	l.run(ours)
	switch {
	case l.best.Rule != nil || l.unknown != nil || ctx.Err() != nil:
		return l.verdict(ctx)
	case l.accepted == 0 && probe.IsBusy(l.err):
		return nil, fmt.Errorf("%w: %w", probe.ErrBusy, l.err)
	case l.accepted == 0 && l.err != nil:
		return nil, fmt.Errorf("no socket to identify the service on: %w", l.err)
	}
	return nil, nil
}

func (s *search) datagrams() *layer {
	l := s.newLayer(s.dial, maxDatagrams)
	l.listening, l.openersSent, l.queue = true, true, request.UDP()
	sortByLikelihood(l.queue, s.port, l.suggested)
	return l
}

// anyPortConn is a UDP socket that receives answers from any port of the peer: TFTP
// answers from a new one (RFC 1350, section 4).
type anyPortConn struct {
	*net.UDPConn
	target netip.AddrPort
}

func dialAny(ctx context.Context, target netip.AddrPort) (net.Conn, error) {
	network, local := "udp4", "0.0.0.0:0"
	if target.Addr().Is6() && !target.Addr().Is4In6() {
		network, local = "udp6", "[::]:0"
	}
	var lc net.ListenConfig
	c, err := lc.ListenPacket(ctx, network, local)
	if err != nil {
		return nil, err
	}
	return &anyPortConn{c.(*net.UDPConn), target}, nil
}

func (w *anyPortConn) Write(b []byte) (int, error) { return w.WriteToUDPAddrPort(b, w.target) }

// Read is the next datagram from the peer's address. Datagrams of others are
// ignored, until the deadline.
func (w *anyPortConn) Read(b []byte) (int, error) {
	for range 1000 {
		n, from, err := w.ReadFromUDPAddrPort(b)
		if err != nil || from.Addr().Unmap().WithZone("") == w.target.Addr().Unmap().WithZone("") {
			return n, err
		}
	}
	return 0, errors.New("too many datagrams from other addresses")
}
