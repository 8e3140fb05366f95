package service

import (
	"io"

	"onmux/probe/request"
)

// negotiatePostgreSQL asks whether the server would encrypt, by TLS and, if not, by
// GSSAPI (PostgreSQL documentation, section 55.2.10 and 55.2.11): one letter
// each, and nothing that a server logs as a failed login. If it would, its
// certificate is looked at.
func (s *session) negotiatePostgreSQL(r *request.Request) error {
	if err := s.say(r.Bytes("")); err != nil { // SSLRequest
		return err
	}
	first, err := s.letter()
	if err != nil {
		return err
	}
	switch first {
	case 'S':
		s.heard = append(s.heard, first)
		return s.secure()
	case 'N':
		s.heard = append(s.heard, first)
		if err := s.say([]byte("\x00\x00\x00\x08\x04\xd2\x16\x30")); err != nil { // GSSENCRequest
			return err
		}
	default:
		s.heard = append(s.heard, first)
	}
	return s.hear()
}

// letter reads one byte, and not one more: what follows may be TLS.
func (s *session) letter() (byte, error) {
	if err := s.conn.SetReadDeadline(s.until()); err != nil {
		return 0, err
	}
	var b [1]byte
	if _, err := io.ReadFull(s.conn, b[:]); err != nil {
		s.end = endOf(err)
		return 0, err
	}
	return b[0], nil
}
