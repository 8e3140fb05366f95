package service

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/service/answer"
)

// Bounds of what is reported of a certificate.
const (
	maxNames = 32
	dnSize   = 256 // of a distinguished name or a host name, in characters
)

// tunnel is a connection inside TLS.
type tunnel struct {
	*tls.Conn
	wire   *bounded
	facts  *probe.TLS
	config *tls.Config
}

// tlsConfig offers every version and suite of the library and accepts any certificate:
// the service is to be identified, not trusted.
func tlsConfig(o *Options, alpn ...string) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, NextProtos: alpn}
	for _, list := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, suite := range list {
			c.CipherSuites = append(c.CipherSuites, suite.ID)
		}
	}
	c.ServerName = o.serverName()
	return c
}

// client is a handshake on conn, which notes whether the server requests a certificate. It
// has none to send.
func client(conn net.Conn, c *tls.Config, requested *bool) *tls.Conn {
	c = c.Clone()
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		*requested = true
		return new(tls.Certificate), nil
	}
	return tls.Client(conn, c)
}

// oldTLSConfig is for a peer that takes no ClientHello of TLS 1.3.
func oldTLSConfig(o *Options) *tls.Config {
	c := tlsConfig(o)
	c.MaxVersion = tls.VersionTLS12
	return c
}

// handshake finds out whether the peer speaks TLS. An answer in any other protocol is
// read too.
func (s *session) handshake(ctx context.Context, c *tls.Config) error {
	var requested bool
	conn := client(s.conn, c, &requested)
	deadline := earlier(time.Now().Add(s.pace.answerWait*2), s.deadline)
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	err := conn.Handshake()
	if err != nil {
		if code, ok := alertOf(err); ok {
			s.alert = alert(code, c.ServerName != "", requested)
		}
		s.received, s.end = s.wire.first, probe.EndContinued
		s.cut = s.wire.err == nil || connSize-s.wire.left > len(s.wire.first)
		if errors.Is(s.wire.err, errFull) {
			s.note = fmt.Sprintf("its handshake, certificate included, is longer than the %d KiB that are read", connSize>>10)
		}
		if s.wire.err != nil {
			s.end = endOf(s.wire.err)
		}
		// The beginning of a longer answer: not TLS, or data before an alert.
		if len(s.received) > 0 && s.wire.err == nil && s.received[0] != handshakeRecord && s.received[0] != alertRecord {
			s.received, s.cut = bytes.Clone(s.received), false
			s.receive(ctx)
		}
		return err
	}
	s.tunnel = &tunnel{conn, s.wire, s.o.facts(conn.ConnectionState(), requested), c}
	return nil
}

// inspectTLS completes the handshake that the peer has just agreed to, for its certificate.
func (s *session) inspectTLS() error {
	var requested bool
	conn := client(s.conn, tlsConfig(s.o), &requested)
	err := conn.SetDeadline(earlier(time.Now().Add(s.pace.answerWait*2), s.deadline))
	if err == nil {
		err = conn.Handshake()
	}
	if err == nil {
		s.facts = s.o.facts(conn.ConnectionState(), requested)
	}
	if s.wire != nil {
		s.received = s.wire.first
	}
	return err
}

// The types of a TLS record (RFC 8446, section 5.1).
const (
	alertRecord     = 21
	handshakeRecord = 22
)

// within dials as outer does and completes a TLS handshake on the connection.
func (t *tunnel) within(outer dialer, answerWait time.Duration) dialer {
	return func(ctx context.Context) (net.Conn, error) {
		plain, err := outer(ctx)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, answerWait*2)
		defer cancel()
		wire := &bounded{Conn: plain, left: connSize}
		conn := tls.Client(wire, t.config)
		if err := conn.HandshakeContext(ctx); err != nil {
			plain.Close()
			return nil, err
		}
		return &tunnel{conn, wire, t.facts, t.config}, nil
	}
}

// facts is what a handshake showed.
func (o *Options) facts(state tls.ConnectionState, requested bool) *probe.TLS {
	f := &probe.TLS{
		Version: strings.TrimPrefix(tls.VersionName(state.Version), "TLS "),
		Cipher:  tls.CipherSuiteName(state.CipherSuite),
		ALPN:    answer.Printable(state.NegotiatedProtocol, answer.NameSize),
	}
	if requested {
		f.ClientCert = probe.Requested
	}
	if len(state.PeerCertificates) == 0 {
		return f
	}
	c := state.PeerCertificates[0]
	describeCertificate(f, c, o.serverName(), time.Now())
	sum := sha256.Sum256(c.Raw)
	f.SHA256 = hex.EncodeToString(sum[:])
	return f
}

// inRange is t as RFC 3339 can write it: certificates may name any year.
func inRange(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

func keyOf(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return c.PublicKeyAlgorithm.String()
}

// tlsNames are the names that services inside TLS go by; the others
// keep their name, with the facts of TLS beside it.
var tlsNames = map[string]string{
	"http": "https", "imap": "imaps", "pop3": "pop3s", "ldap": "ldaps", "smtp": "smtps",
	"ftp": "ftps", "nntp": "nntps", "irc": "ircs", "telnet": "telnets", "amqp": "amqps",
	"mqtt": "mqtts", "sip": "sips",
}

// Names are what identified services may be named, and the software that rules know by
// name, in lower case.
func Names() []string {
	services, products := answer.Names()
	names := append(slices.Concat(services, products), slices.Collect(maps.Values(tlsNames))...)
	for i, n := range names {
		names[i] = strings.ToLower(n)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
