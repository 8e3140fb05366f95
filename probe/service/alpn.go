package service

import (
	"context"
	"slices"
	"time"

	"onmux/probe"
	"onmux/probe/request"
)

// protocolIDs are application protocols of TLS (IANA, TLS ALPN Protocol IDs), in the order in
// which they are offered.
var protocolIDs = []string{"h2", "http/1.1", "http/1.0", "h2c", "spdy/3.1", "imap", "pop3", "smtp", "managesieve",
	"ftp", "xmpp-client", "xmpp-server", "mqtt", "amqp", "dot", "doq", "irc", "nntp", "nnsp", "sip/2", "stun.turn",
	"postgresql", "tds/8.0", "acme-tls/1", "ntske/1", "radius/1.1", "sunrpc", "coap", "grpc-exp"}

// alpnRequest stands for these handshakes in the evidence.
var alpnRequest = request.Request{Name: "tls-alpn", Service: "tls"}

// addProtocols finds out which application protocols a server accepts beside the one of the first
// handshake, by handshakes that offer the others until none is taken. Without Thorough it is one,
// of the protocols of web servers: it ends with one that the server is known to accept, so that
// it does not fail.
func (s *search) addProtocols(ctx context.Context, found *probe.Service, dial dialer) {
	f := found.TLS
	if f.ALPN == "" && found.Name != "https" {
		return
	}
	if f.ALPN != "" {
		f.ALPNs = []string{f.ALPN}
	}
	if s.o.Thorough {
		for len(f.ALPNs) < len(protocolIDs) {
			rest := slices.DeleteFunc(slices.Clone(protocolIDs), func(id string) bool { return slices.Contains(f.ALPNs, id) })
			chosen := s.choose(ctx, dial, rest)
			if chosen == "" || slices.Contains(f.ALPNs, chosen) {
				return
			}
			f.ALPNs = append(f.ALPNs, chosen)
		}
		return
	}
	if f.ALPN != "" && f.ALPN != "http/1.1" {
		return
	}
	if s.choose(ctx, dial, []string{"h2", "http/1.1"}) == "h2" {
		f.ALPNs = append([]string{"h2"}, f.ALPNs...)
	}
}

// choose is the protocol that the server takes of those that are offered, "" if it takes none.
func (s *search) choose(ctx context.Context, dial dialer, offered []string) string {
	if s.conns.made >= s.conns.all {
		return ""
	}
	s.conns.made++
	s.number++
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 3*s.pace.answerWait)
	defer cancel()
	conn, err := dial(ctx)
	if err != nil {
		return ""
	}
	c := s.session(conn)
	defer c.close()
	c.request = &alpnRequest
	stop := context.AfterFunc(ctx, func() { c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = c.handshake(ctx, tlsConfig(&s.o, offered...))
	o := c.outcome(step{Request: &alpnRequest}, began)
	o.newConn = true
	s.addExchange(o)
	if c.tunnel == nil {
		return ""
	}
	_ = c.tunnel.CloseWrite()
	return c.tunnel.facts.ALPN
}
