package wire

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/scan/packet"
)

// line is what one side of a conversation sends.
type line struct {
	dir  int
	text string
}

// converse writes a connection with what both sides send, in segments of at most so many
// bytes.
func (s *scene) converse(clientPort uint16, size int, lines ...line) {
	s.accept(clientPort)
	c, e := s.places(clientPort)
	next := [2]uint32{1001, 5001}
	for _, l := range lines {
		for len(l.text) > 0 {
			part := l.text[:min(size, len(l.text))]
			l.text = l.text[len(part):]
			if l.dir == sent {
				s.put(s.tcp(c, e, packet.ACK, next[sent], next[received], part))
			} else {
				s.put(s.tcp(e, c, packet.ACK, next[received], next[sent], part))
			}
			next[l.dir] += uint32(len(part))
		}
	}
	s.put(s.tcp(c, e, packet.RST|packet.ACK, next[sent], next[received], ""))
}

const greeting = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"

func TestServices(t *testing.T) {
	t.Parallel()
	// A Meeting Maker client's login: as posted to Bugtraq on 2000-04-24.
	login := "8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x24\x55\x7f\xff\x00\x00\x00\x07\x06secret"
	for name, c := range map[string]struct {
		lines                              []line
		service, product, version, greeted string
	}{
		"SSH": {[]line{{received, greeting}, {sent, "SSH-2.0-client\r\n"}}, "ssh", "OpenSSH", "9.2p1", "ssh"},
		"HTTP": {[]line{{sent, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"},
			{received, "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\n\r\n"}}, "http", "nginx", "1.22.1", "http"},
		"Meeting Maker": {[]line{{received, "\xc1\x2c"}, {sent, login}}, "meetingmaker", "Meeting Maker", "", "meetingmaker"},
		"a client":      {[]line{{sent, "what"}}, "", "", "", ""},
		"unknown":       {[]line{{sent, "what"}, {received, "\x01\x02\x03"}}, "unknown", "", "", ""},
	} {
		forEachFamily(t, func(t *testing.T, s *scene) {
			for _, size := range []int{1, 7, 1000} {
				s.packets, s.now = nil, start
				s.converse(4000, size, c.lines...)
				r, f := s.expect(probe.Open, probe.SynAck)
				if c.service == "" && r.Service != nil || c.service != "" && (r.Service == nil || r.Service.Name != c.service ||
					!strings.Contains(r.Service.Product, c.product) || r.Service.Version != c.version) {
					t.Errorf("%s in segments of %d: %+v", name, size, r.Service)
				}
				if c.greeted == "" && f.Greeting != nil || c.greeted != "" && (f.Greeting == nil ||
					f.Greeting.Protocol != c.greeted) {
					t.Errorf("%s in segments of %d: the client sent %+v", name, size, f.Greeting)
				}
			}
		})
	}
}

// tap keeps what is written to a connection.
type tap struct {
	net.Conn
	written bytes.Buffer
}

func (t *tap) Write(b []byte) (int, error) {
	t.written.Write(b)
	return t.Conn.Write(b)
}

// handshake is what both sides of one of TLS send.
func handshake(t *testing.T, version uint16) (client, server string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(417), DNSNames: []string{"db1.example.org"}}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a, b := net.Pipe()
	one, other := &tap{Conn: a}, &tap{Conn: b}
	done := make(chan error, 1)
	go func() {
		c := tls.Server(other, &tls.Config{MaxVersion: version,
			Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
		_, err := io.ReadFull(c, make([]byte, 1))
		done <- err
	}()
	c := tls.Client(one, &tls.Config{ServerName: "db1.example.org", InsecureSkipVerify: true})
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return one.written.String(), other.written.String()
}

func TestTLS(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		for version, name := range map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
			client, server := handshake(t, version)
			s.packets, s.now = nil, start
			s.converse(4000, 700, line{sent, client}, line{received, server})
			r, f := s.expect(probe.Open, probe.SynAck)
			if r.Service == nil || r.Service.Name != "tls" || r.Service.TLS == nil || r.Service.TLS.Version != name {
				t.Fatalf("%s: %+v", name, r.Service)
			}
			if inClear := version == tls.VersionTLS12; inClear != (len(r.Service.TLS.Names) == 1) {
				t.Errorf("%s: the certificate is for %q", name, r.Service.TLS.Names)
			}
			if g := f.Greeting; g == nil || g.ServerName != "db1.example.org" || !strings.HasPrefix(g.JA4, "t13d") {
				t.Errorf("%s: %+v", name, g)
			}
		}
	})
}

// TestDisagreement: of segments that disagree about the same bytes the first counts, and
// their number is reported.
func TestDisagreement(t *testing.T) {
	t.Parallel()
	forEachFamily(t, func(t *testing.T, s *scene) {
		s.accept(4000)
		c, e := s.places(4000)
		s.put(s.tcp(e, c, packet.ACK, 5005, 1001, greeting[4:])) // out of order
		s.put(s.tcp(e, c, packet.ACK, 5001, 1001, "SSH-9.9-Other_1.0"))
		s.put(s.tcp(e, c, packet.FIN|packet.ACK, 5001+uint32(len(greeting)), 1001, ""))
		s.put(s.tcp(c, e, packet.FIN|packet.ACK, 1001, 5002+uint32(len(greeting)), ""))
		r, _ := s.expect(probe.Open, probe.SynAck)
		if r.Service == nil || r.Service.Version != "9.2p1" {
			t.Errorf("%+v", r.Service)
		}
		if n := s.watch().outcome.Disagree; n != 1 {
			t.Errorf("%d disagree", n)
		}
	})
}

// FuzzHead puts segments in order as a slow and simple way does.
func FuzzHead(f *testing.F) {
	f.Add(uint32(0), []byte("\x00\x03abc\x02\x03xyz"))
	f.Add(^uint32(2), []byte("\x05\x02ab\x00\x05vwxyz\x09\x01q"))
	f.Fuzz(func(t *testing.T, base uint32, b []byte) {
		const limit = 64
		h := head{base: base, known: true}
		var want [limit]byte
		var set [limit]bool
		for len(b) > 2 {
			at, n := int(b[0]), min(int(b[1]), len(b)-2)
			if at < limit && len(h.covered) < maxSpans {
				for i, c := range b[2 : 2+n] {
					if at+i < limit && !set[at+i] {
						want[at+i], set[at+i] = c, true
					}
				}
			}
			h.add(base+uint32(at), bytes.Clone(b[2:2+n]), limit)
			b = b[2+n:]
		}
		n := 0
		for n < limit && set[n] {
			n++
		}
		if got := h.prefix(); !bytes.Equal(got, want[:n]) {
			t.Errorf("%q, want %q", got, want[:n])
		}
	})
}
