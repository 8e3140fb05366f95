package hello

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
	"slices"
	"strings"
	"testing"
)

// tap keeps what is written to a connection.
type tap struct {
	net.Conn
	written bytes.Buffer
}

func (t *tap) Write(b []byte) (int, error) {
	t.written.Write(b)
	return t.Conn.Write(b)
}

func certificateOf(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(417)},
		&x509.Certificate{}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// conversation is what both sides of a handshake send.
func conversation(t *testing.T, version uint16) (sent, received []byte, der []byte) {
	t.Helper()
	a, b := net.Pipe()
	client, server := &tap{Conn: a}, &tap{Conn: b}
	certificate := certificateOf(t)
	done := make(chan error, 1)
	go func() {
		c := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{certificate}, MaxVersion: version,
			NextProtos: []string{"h2"}})
		_, err := io.ReadFull(c, make([]byte, 1))
		done <- err
	}()
	c := tls.Client(client, &tls.Config{ServerName: "db1.example.org", InsecureSkipVerify: true, MinVersion: version,
		NextProtos: []string{"h2", "http/1.1"}})
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return client.written.Bytes(), server.written.Bytes(), certificate.Certificate[0]
}

func TestHandshakes(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		sent, received, der := conversation(t, version)
		c, ok := ReadClient(sent)
		if !ok || c.Name != "db1.example.org" || !slices.Equal(c.ALPN, []string{"h2", "http/1.1"}) {
			t.Errorf("%x: %+v %v", version, c, ok)
		}
		if j := c.JA4(); !strings.HasPrefix(j, "t13d") || len(j) != 36 || j[8:10] != "h2" {
			t.Errorf("JA4 %s", j)
		}
		s, ok := ReadServer(received)
		if !ok || s.Version != version || s.Suite == 0 {
			t.Errorf("%x: %+v %v", version, s, ok)
		}
		if old := version == tls.VersionTLS12; old != (s.ALPN == "h2") || old != bytes.Equal(s.Certificate, der) {
			t.Errorf("%x: ALPN %q, a certificate of %d bytes", version, s.ALPN, len(s.Certificate))
		}
		for n := range sent {
			ReadClient(sent[:n])
		}
		if _, ok := ReadServer(sent); ok {
			t.Error("a ClientHello is read as an answer")
		}
	}
}

// TestJA4 is the example of JA4's description: Chrome.
func TestJA4(t *testing.T) {
	t.Parallel()
	c := Client{
		ALPN: []string{"h2"}, version: 0x0304,
		suites: []uint16{0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x9c,
			0x9d, 0x2f, 0x35},
		extensions: []uint16{0x2a2a, 0x1b, 0, 0x33, 0x10, 0x4469, 0x17, 0x2d, 0xd, 5, 0x23, 0x12, 0x2b, 0xff01, 0xb, 0xa,
			0x15,
			0xfafa},
		algorithms: []uint16{0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601},
	}
	if got := c.JA4(); got != "t13d1516h2_8daaf6152771_e5627efa2ab1" {
		t.Error(got)
	}
	if got := (&Client{version: 0x0303, ALPN: []string{"\xab\xcd"}}).JA4(); got != "t12i0000ad_000000000000_000000000000" {
		t.Error(got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("\x16\x03\x01\x00\x04\x01\x00\x00\x00"))
	f.Add(append([]byte("\x16\x03\x03\x00\x30\x02\x00\x00\x2c\x03\x03"), make([]byte, 42)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, ok := ReadClient(b); ok {
			if j := c.JA4(); len(j) != 36 {
				t.Error(j)
			}
		}
		if s, ok := ReadServer(b); ok && len(s.Certificate) > len(b) {
			t.Error("a certificate longer than the stream")
		}
	})
}
