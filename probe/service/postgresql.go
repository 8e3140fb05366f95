package service

import (
	"context"

	"onmux/probe/request"
)

// negotiatePostgreSQL requests encryption, by TLS and, if the server has none, by
// GSSAPI (PostgreSQL documentation, section 55.2.10 and 55.2.11): one letter
// each, and nothing that a server logs as a failed login. If it has TLS,
// its certificate is read.
func (s *session) negotiatePostgreSQL(ctx context.Context, r *request.Request) error {
	s.lineless = true
	if err := s.send(r.Bytes("")); err != nil { // SSLRequest
		return err
	}
	first, err := s.readByte()
	if err != nil {
		return err
	}
	switch first {
	case 'S':
		s.received = append(s.received, first)
		return s.inspectTLS()
	case 'N':
		s.received = append(s.received, first)
		if err := s.send([]byte(gssRequest)); err != nil {
			return err
		}
	default:
		s.received = append(s.received, first)
	}
	if err := s.receive(ctx); err != nil || s.o.port != poolerPort || string(s.received) != "NN" {
		return err
	}
	if err := s.send([]byte(gssRequest)); err != nil {
		return err
	}
	return s.receive(ctx)
}

const (
	// gssRequest is a GSSENCRequest.
	gssRequest = "\x00\x00\x00\x08\x04\xd2\x16\x30"
	// poolerPort is where PgBouncer is usual. It answers a second GSSENCRequest as the first; a server, which would
	// log an error, is not sent it elsewhere.
	poolerPort = 6432
)
