package service_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/service"
)

// datagrams runs f for every datagram that a loopback port gets until the test
// ends. reply sends from that port.
func datagrams(t *testing.T, f func(b []byte, from net.Addr, reply net.PacketConn)) probe.Endpoint {
	t.Helper()
	nettest.Need(t)
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nettest.Receive(t, c, func(b []byte, from net.Addr) { f(b, from, c) })
	at := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return probe.Endpoint{Addr: at.Addr(), Port: at.Port(), Proto: probe.UDP}
}

func TestIdentifyUDP(t *testing.T) {
	for _, tt := range []struct {
		name             string
		peer             func([]byte, net.Addr, net.PacketConn)
		service, version string // "" for silence
	}{
		{"memcached", func(b []byte, from net.Addr, c net.PacketConn) {
			if bytes.HasSuffix(b, []byte("version\r\n")) {
				c.WriteTo(append(b[:8:8], "VERSION 1.6.18\r\n"...), from)
			}
		}, "memcached", "1.6.18"},
		{"tftp, from another port", func(b []byte, from net.Addr, _ net.PacketConn) {
			if bytes.HasPrefix(b, []byte("\x00\x01onmux")) {
				c, err := net.ListenPacket("udp", "127.0.0.1:0")
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				c.WriteTo([]byte("\x00\x05\x00\x01File not found\x00"), from)
			}
		}, "tftp", ""},
		{"an answer to everything",
			func(_ []byte, from net.Addr, c net.PacketConn) { c.WriteTo([]byte("\x01\x02\x03"), from) }, "unknown", ""},
		{"silence", func([]byte, net.Addr, net.PacketConn) {}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := service.Identify(t.Context(), datagrams(t, tt.peer), quick)
			switch {
			case err != nil:
				t.Fatal(err)
			case tt.service == "" && s != nil:
				t.Errorf("%+v, want nothing", s)
			case tt.service != "" && (s == nil || s.Name != tt.service || s.Version != tt.version):
				t.Errorf("%+v, want %s", s, tt.service)
			}
		})
	}
}

// PostgreSQL agrees to TLS with a letter and goes on in it: its certificate is
// seen, and nobody is logged in.
func TestPostgresInTLS(t *testing.T) {
	nettest.Need(t)
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	e := serve(t, func(c *net.TCPConn) {
		b := make([]byte, 8)
		if n, _ := c.Read(b); n != 8 || string(b) != "\x00\x00\x00\x08\x04\xd2\x16\x2f" {
			return
		}
		fmt.Fprint(c, "S")
		s := tls.Server(c, certificate.TLS)
		s.Handshake()
		s.Read(b)
	})
	s, err := service.Identify(t.Context(), e, quick)
	if err != nil || s.Name != "postgresql" || s.TLS == nil || !strings.Contains(s.TLS.Subject, "Acme") {
		t.Errorf("%+v, %v", s, err)
	}
}

// A peer that accepts one connection and resets the next is asked again.
func TestResetOnce(t *testing.T) {
	first := make(chan struct{}, 1)
	first <- struct{}{}
	e := serve(t, func(c *net.TCPConn) {
		select {
		case <-first:
			c.SetLinger(0)
		default:
			greets("SSH-2.0-OpenSSH_9.2p1\r\n")(c)
		}
	})
	if s, err := service.Identify(t.Context(), e, quick); err != nil || s.Name != "ssh" {
		t.Errorf("%+v, %v", s, err)
	}
}

// A peer that resets whatever it cannot read is sent the requests of servers that do.
func TestResets(t *testing.T) {
	nettest.Need(t)
	e := serve(t, func(c *net.TCPConn) {
		b := make([]byte, 4096)
		if n, _ := c.Read(b); bytes.HasPrefix(b[:n], []byte("002agit-upload-pack ")) {
			io.WriteString(c, "0038ERR access denied or repository not exported: /onmux")
			return
		}
		c.SetLinger(0)
	})
	if s, err := service.Identify(t.Context(), e, quick); err != nil || s.Name != "git" {
		t.Errorf("%+v, %v", s, err)
	}
}

// A UDP port is sent its own requests, any other port those of frequent services, each once,
// and never an empty datagram; none after the answer.
func TestDatagramsOnce(t *testing.T) {
	received := make(chan string, 100)
	e := datagrams(t, func(b []byte, from net.Addr, c net.PacketConn) {
		received <- string(b)
		if len(received) == 3 {
			c.WriteTo([]byte("\x30\x0c\x02\x01\x07\x65\x07\x0a\x01\x00\x04\x00\x04\x00"), from) // LDAP
		}
	})
	var log service.Log
	o := quick
	o.Log = &log
	s, err := service.Identify(t.Context(), e, o)
	if err != nil || s == nil || s.Name != "ldap" {
		t.Fatalf("%+v, %v", s, err)
	}
	answered := ""
	for _, x := range log.Exchanges {
		if x.IsAnswered() {
			answered += x.Request
		}
		if x.Connection != 0 || x.End != "" {
			t.Errorf("%+v", x)
		}
	}
	if answered != s.Probe {
		t.Errorf("answered %q, and the evidence is %q", answered, s.Probe)
	}
	seen := make(map[string]bool)
	for len(received) > 0 {
		b := <-received
		if b == "" || seen[b] {
			t.Errorf("%q, again or empty", b)
		}
		seen[b] = true
	}
	if len(seen) > 5 {
		t.Errorf("%d datagrams, though the third was answered", len(seen))
	}
}

// What an attempt has sent already is not sent again, and its answer counts.
func TestDatagramBefore(t *testing.T) {
	for port, want := range map[uint16]string{
		7: "echo", 9: "", 13: "text", 37: "text", 53: "dns", 69: "tftp", 161: "snmp-v1", 417: "dns", 514: "",
	} {
		first := service.FirstDatagram(port)
		if first == nil && want != "" || first != nil && first.Name != want {
			t.Errorf("port %d: %+v, want %q", port, first, want)
		}
	}
	e := datagrams(t, func(b []byte, _ net.Addr, _ net.PacketConn) { t.Errorf("received %q", b) })
	var log service.Log
	o := quick
	o.Asked, o.AskedAt, o.Log = service.FirstDatagram(11211), time.Now(), &log
	o.Answer = []byte("\x04\x17\x00\x00\x00\x01\x00\x00VERSION 1.6.18\r\n")
	s, err := service.Identify(t.Context(), e, o)
	if err != nil || s == nil || s.Version != "1.6.18" || len(log.Exchanges) != 1 || s.Probe != "memcached" {
		t.Errorf("%+v, %v, %+v", s, err, log.Exchanges)
	}
}

// The answer to the datagram that the port of a simple service is sent names it.
func TestSimpleDatagrams(t *testing.T) {
	e := datagrams(t, func(b []byte, _ net.Addr, _ net.PacketConn) { t.Errorf("received %q", b) })
	for port, tt := range map[uint16]struct {
		answer, service string
	}{
		7: {"onmux\r\n", "echo"}, 13: {"28 NOV 2026 11:46:09 UTC\r\n", "daytime"},
	} {
		o := quick
		o.Asked, o.AskedAt, o.Answer = service.FirstDatagram(port), time.Now(), []byte(tt.answer)
		if s, err := service.Identify(t.Context(), e, o); err != nil || s == nil || s.Name != tt.service {
			t.Errorf("on %d: %+v, %v, want %s", port, s, err, tt.service)
		}
	}
}
