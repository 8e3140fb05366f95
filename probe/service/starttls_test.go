package service

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
)

// mail is a server that greets, has an answer for each command, and changes to TLS at the one
// that is answered with begin.
func mail(t *testing.T, greeting, begin string, answers map[string]string) func(net.Conn) {
	certificate := SelfSigned(t, &x509.Certificate{DNSNames: []string{"mx.invalid"}})
	return func(c net.Conn) {
		fmt.Fprint(c, greeting)
		r := bufio.NewReader(c)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			reply := answers[strings.TrimSpace(line)]
			fmt.Fprint(c, reply)
			if reply == begin {
				s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate}})
				if s.Handshake() == nil {
					// A session that ends without its own end is logged as one that was lost.
					if last, _ := io.ReadAll(s); !strings.HasSuffix(string(last), "QUIT\r\n") && string(last) != "b LOGOUT\r\n" {
						t.Errorf("inside TLS: %q", last)
					}
				}
				return
			}
		}
	}
}

// Whether STARTTLS is offered is in the server's own list; the certificate behind it is found
// if that is wanted.
func TestStartTLS(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, service, greeting, begin string
		answers                        map[string]string
		offered                        bool
	}{
		{"SMTP", "smtp", "220 mx ESMTP Postfix\r\n", "220 go\r\n", map[string]string{
			"EHLO onmux.invalid": "250-mx\r\n250-STARTTLS\r\n250 SIZE\r\n", "STARTTLS": "220 go\r\n"}, true},
		{"SMTP without", "smtp", "220 mx ESMTP Exim 4.96 x\r\n", "-", map[string]string{
			"EHLO onmux.invalid": "250-mx\r\n250 SIZE\r\n"}, false},
		{"IMAP", "imap", "* OK [CAPABILITY IMAP4rev1 STARTTLS] Dovecot ready.\r\n", "a OK begin\r\n", map[string]string{
			"a STARTTLS": "a OK begin\r\n", "a ID NIL": "* ID NIL\r\na OK done\r\n"}, true},
		{"IMAP by a command", "imap", "* OK ready\r\n", "a OK begin\r\n", map[string]string{
			"a CAPABILITY": "* CAPABILITY IMAP4rev1 STARTTLS\r\na OK done\r\n", "a STARTTLS": "a OK begin\r\n"}, true},
		{"POP3", "pop3", "+OK POP3 ready\r\n", "+OK begin\r\n", map[string]string{
			"CAPA": "+OK list\r\nTOP\r\nSTLS\r\n.\r\n", "STLS": "+OK begin\r\n"}, true},
		{"FTP", "ftp", "220 (vsFTPd 3.0.3)\r\n", "234 go\r\n", map[string]string{
			"FEAT": "211-Features:\r\n AUTH TLS\r\n PBSZ\r\n211 End\r\n", "AUTH TLS": "234 go\r\n"}, true},
		{"FTP without", "ftp", "220 (vsFTPd 3.0.3)\r\n", "-", map[string]string{
			"FEAT": "211-Features:\r\n SIZE\r\n211 End\r\n"}, false},
		{"NNTP", "nntp", "200 news server INN 2.7.1 ready (posting ok)\r\n", "382 go\r\n", map[string]string{
			"CAPABILITIES": "101 list\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n", "STARTTLS": "382 go\r\n"}, true},
	} {
		for _, change := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, " ", change), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					peer := &server{peer: mail(t, tt.greeting, tt.begin, tt.answers)}
					s, _ := peer.identifyWith(t, 5432, Options{StartTLS: change})
					if s.Name != tt.service || s.StartTLS == nil || s.StartTLS.Offered != tt.offered {
						t.Fatalf("%+v, STARTTLS %+v", s, s.StartTLS)
					}
					if seen := s.StartTLS.TLS != nil; seen != (change && tt.offered) ||
						seen && (len(s.StartTLS.TLS.Names) != 1 || s.StartTLS.TLS.Names[0] != "mx.invalid") || s.StartTLS.Error != "" {
						t.Errorf("STARTTLS %+v", s.StartTLS)
					}
				})
			})
		}
	}
}
