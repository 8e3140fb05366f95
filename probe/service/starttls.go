package service

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/request"
)

// startTLSRequest stands for the change to TLS in the evidence.
var startTLSRequest = request.Request{Name: "starttls", Service: "tls"}

// dialog is how a plain session changes to TLS: each line is sent once the answer before it has
// come, and each answer must contain the text beside it.
type dialog struct {
	greets bool // the server sends first
	steps  []exchangeStep
}

type exchangeStep struct{ send, expect string }

// xmppStream stands for the stream to the server's name.
const xmppStream = "<stream:stream>"

// dialogs: RFC 3207, section 4; RFC 9051, section 6.2.1; RFC 2595, section 4; RFC 4217, section 4;
// RFC 4642, section 2.2; RFC 5804, section 2.2; RFC 6120, section 5.4.2; RFC 4511, section 4.14.1.
var dialogs = map[string]dialog{
	"smtp":  {true, []exchangeStep{{"EHLO onmux.invalid\r\n", "250"}, {"STARTTLS\r\n", "220"}}},
	"imap":  {true, []exchangeStep{{"a STARTTLS\r\n", "a OK"}}},
	"pop3":  {true, []exchangeStep{{"STLS\r\n", "+OK"}}},
	"ftp":   {true, []exchangeStep{{"AUTH TLS\r\n", "234"}}},
	"nntp":  {true, []exchangeStep{{"STARTTLS\r\n", "382"}}},
	"sieve": {true, []exchangeStep{{"STARTTLS\r\n", "OK"}}},
	"xmpp": {false, []exchangeStep{
		{xmppStream, "<starttls"},
		{"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<proceed"},
	}},
	"ldap": {false, []exchangeStep{{"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037", "\x0a\x01\x00"}}},
	// MySQL client/server protocol, SSLRequest: protocol 4.1, TLS, secure connection, plugins.
	"mysql": {true, []exchangeStep{{"\x20\x00\x00\x01" + "\x01\x8a\x08\x00" + "\x00\x00\x00\x01" + "\x21" +
		strings.Repeat("\x00", 23), ""}}},
}

// changeToTLS completes on a connection of its own what the server has offered, for the
// certificate behind it. Nobody is logged in.
func (s *search) changeToTLS(ctx context.Context, found *probe.Service) {
	d, ok := dialogs[found.Name]
	if !ok || found.StartTLS == nil || !found.StartTLS.Offered {
		return
	}
	s.number++
	s.conns.made++
	began := time.Now()
	conn, err := s.dial(ctx)
	if err != nil {
		found.StartTLS.Error = err.Error()
		return
	}
	c := s.session(conn)
	c.request, c.answerWait = &startTLSRequest, mostOf(time.Until(s.deadline))
	stop := context.AfterFunc(ctx, func() { c.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err = c.converse(ctx, d, found); err == nil {
		err = c.handshake(ctx, tlsConfig(&s.o))
	}
	o := c.outcome(step{Request: &startTLSRequest}, began)
	o.newConn, o.sent, o.sentSize = true, c.wire.written, c.wire.size
	s.addExchange(o)
	switch {
	case c.tunnel != nil:
		found.StartTLS.TLS = c.tunnel.facts
		if found.Name == "mysql" {
			completeMySQL(c.tunnel)
		}
		all := request.TCP()
		if i := slices.IndexFunc(all, func(r *request.Request) bool {
			return r.Service == found.Name && r.Goodbye != ""
		}); i >= 0 { // else the server logs a connection that it lost
			_, _ = io.WriteString(c.tunnel, all[i].Goodbye)
		}
		_ = c.tunnel.CloseWrite()
	case c.alert != nil:
		found.StartTLS.Error = fmt.Sprintf("TLS alert %d (%s)", c.alert.Code, c.alert.Name)
	case err != nil:
		found.StartTLS.Error = err.Error()
	}
	c.close()
}

// converse sends the lines of a dialog.
func (s *session) converse(ctx context.Context, d dialog, found *probe.Service) error {
	if d.greets {
		if err := s.receive(ctx); err != nil {
			return err
		}
		if len(s.received) == 0 {
			return fmt.Errorf("no greeting of %s", found.Name)
		}
	}
	for _, step := range d.steps {
		s.received, s.answerWait = nil, 2*s.pace.answerWait
		line := []byte(step.send)
		if step.send == xmppStream {
			line = request.XMPPStream(s.o.serverName())
		}
		if err := s.send(line); err != nil {
			return err
		}
		if step.expect == "" {
			return nil
		}
		if err := s.receive(ctx); err != nil {
			return err
		}
		if !bytes.Contains(s.received, []byte(step.expect)) {
			return fmt.Errorf("the server refused: %q", bytes.TrimSpace(s.received[:min(len(s.received), 80)]))
		}
	}
	return nil
}

// completeMySQL ends the handshake inside TLS by the refusal of a user: a server counts one that
// is not complete, and shuts the client out after some.
func completeMySQL(t *tunnel) {
	for _, r := range request.TCP() {
		if r.Completes && r.Service == "mysql" {
			message := bytes.Clone(r.Bytes(""))
			const clientSSL = 0x0800
			flags := binary.LittleEndian.Uint32(message[4:]) | clientSSL
			binary.LittleEndian.PutUint32(message[4:], flags)
			message[3] = 2 // behind SSLRequest
			_, _ = t.Write(message)
			_, _ = t.Read(make([]byte, 512))
		}
	}
}
