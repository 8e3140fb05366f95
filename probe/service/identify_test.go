package service_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/service"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// serve runs f for every connection on a loopback port until the test ends.
func serve(t *testing.T, f func(*net.TCPConn)) probe.Endpoint {
	t.Helper()
	nettest.Need(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nettest.Accept(t, l, func(c net.Conn) { f(c.(*net.TCPConn)) })
	return endpoint(l.Addr())
}

func endpoint(a net.Addr) probe.Endpoint {
	at := a.(*net.TCPAddr).AddrPort()
	return probe.Endpoint{Addr: at.Addr(), Port: at.Port(), Proto: probe.TCP}
}

// greets sends the same to every client and waits until it leaves.
func greets(greeting string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		fmt.Fprint(c, greeting)
		io.Copy(io.Discard, c)
	}
}

// answers sends nothing until it has received a request.
func answers(reply func(request []byte) string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if n > 0 {
				io.WriteString(c, reply(b[:n]))
			}
			if err != nil {
				return
			}
		}
	}
}

// quick is a search that has nothing to wait for.
var quick = service.Options{RTT: time.Microsecond}

// patient is a search whose peers answer or close at once: as soon as a busy machine lets them.
var patient = service.Options{RTT: time.Second, Timeout: time.Minute}

func TestIdentify(t *testing.T) {
	for _, tt := range []struct {
		name                               string
		peer                               func(*net.TCPConn)
		service, product, version, request string
	}{
		{"meeting maker greets", greets("\xc1\x2c"), "meetingmaker", "Meeting Maker", "", "wait"},
		{"ssh greets", greets("SSH-2.0-OpenSSH_9.2p1\r\n"), "ssh", "OpenSSH", "9.2p1", "wait"},
		{"ssh greets and closes", func(c *net.TCPConn) { fmt.Fprint(c, "SSH-2.0-OpenSSH_9.2p1\r\n") }, "ssh", "OpenSSH",
			"9.2p1", "wait"},
		{"in two pieces", func(c *net.TCPConn) {
			fmt.Fprint(c, "SSH-2.0-Open")
			greets("SSH_9.2p1\r\n")(c)
		}, "ssh", "OpenSSH", "9.2p1", "wait"},
		{"redis", answers(func(b []byte) string {
			switch {
			case bytes.HasPrefix(b, []byte("GET")):
				return "-ERR wrong number of arguments for 'get' command\r\n"
			case bytes.HasPrefix(b, []byte("INFO server")):
				return "$38\r\n# Server\r\nredis_version:7.0.15\r\n\r\n"
			}
			return ""
		}), "redis", "Redis", "7.0.15", "redis-info"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := service.Identify(t.Context(), serve(t, tt.peer), quick)
			if err != nil {
				t.Fatal(err)
			}
			if s.Name != tt.service || s.Product != tt.product || s.Version != tt.version || s.Probe != tt.request {
				t.Errorf("%+v, want %s", s, tt.name)
			}
		})
	}
}

func TestIdentifyHTTP(t *testing.T) {
	nettest.Need(t)
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "nginx/1.22.1")
		fmt.Fprint(w, "<html><title>\n Hello\tthere </title>")
	})
	for name, start := range map[string]func(http.Handler) *httptest.Server{"http": httptest.NewServer,
		"https": httptest.NewTLSServer} {
		t.Run(name, func(t *testing.T) {
			server := start(page)
			defer server.Close()
			s, err := service.Identify(t.Context(), endpoint(server.Listener.Addr()), quick)
			if err != nil {
				t.Fatal(err)
			}
			if s.Name != name || s.Product != "nginx" || s.Version != "1.22.1" || s.Info != "title: Hello there" {
				t.Errorf("%+v", s)
			}
			if f := s.TLS; (f != nil) != (name == "https") {
				t.Errorf("TLS: %+v", f)
			} else if f != nil && (f.Version != "1.3" || f.ALPN != "http/1.1" || f.Subject != "O=Acme Co" || !f.SelfSigned ||
				f.Names[0] != "example.com" || f.Key != "RSA 2048" || f.Expires.Year() != 2084 || len(f.SHA256) != 64) {
				t.Errorf("TLS: %+v", f)
			}
		})
	}
}

func TestUnknown(t *testing.T) {
	for _, tt := range []struct {
		name string
		peer func(*net.TCPConn)
		info string
	}{
		{"sends data", greets("\x00\xff\xfe\xc1\x2c....."),
			"10 bytes, binary, 2.2 bits of entropy a byte, starts 00 ff fe c1 2c 2e 2e 2e"},
		{"closes", func(*net.TCPConn) {}, "closes without sending anything ("},
		{"half-closes", func(c *net.TCPConn) {
			c.CloseWrite()
			io.Copy(io.Discard, c)
		}, "closes without sending anything ("},
		{"half-closes after some data", func(c *net.TCPConn) {
			fmt.Fprint(c, "\x00\xff\xfe")
			c.CloseWrite()
			io.Copy(io.Discard, c)
		}, "3 bytes, binary, 1.6 bits of entropy a byte, starts 00 ff fe"},
		{"resets", func(c *net.TCPConn) { c.SetLinger(0) }, "resets the connection ("},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := service.Identify(t.Context(), serve(t, tt.peer), quick)
			if err != nil || s.Name != "unknown" || !strings.HasPrefix(s.Info, tt.info) {
				t.Errorf("%+v, %v, want %q", s, err, tt.info)
			}
		})
	}
}

func TestIdentifyFails(t *testing.T) {
	nettest.Need(t)
	e := probe.Endpoint{Addr: netip.MustParseAddr("127.0.0.1"), Port: 1, Proto: probe.TCP}
	if s, err := service.Identify(t.Context(), e, quick); s != nil || err == nil {
		t.Errorf("closed port: %+v, %v", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	e = serve(t, func(c *net.TCPConn) { cancel(); io.Copy(io.Discard, c) })
	for _, when := range []string{"while the peer is silent", "before"} {
		if s, err := service.Identify(ctx, e, service.Options{}); s != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled %s: %+v, %v", when, s, err)
		}
	}
}

// A server that has one worker is busy with the first client.
func TestIdentifyOneWorker(t *testing.T) {
	var worker sync.Mutex
	e := serve(t, func(c *net.TCPConn) {
		worker.Lock()
		defer worker.Unlock()
		b := make([]byte, 4096)
		if n, _ := c.Read(b); bytes.HasPrefix(b[:n], []byte("GET ")) {
			fmt.Fprint(c, "HTTP/1.0 200 OK\r\nServer: one/1.0\r\n\r\n")
		}
	})
	if s, err := service.Identify(t.Context(), e, quick); err != nil || s.Name != "http" || s.Version != "1.0" {
		t.Errorf("%+v, %v", s, err)
	}
}

// Whatever the peer has sent, and whether it is done, its connection ends by a FIN: a reset
// is an error in the logs of most servers.
func TestEndsByFIN(t *testing.T) {
	for name, peer := range map[string]func(*net.TCPConn){
		"greets":    greets("SSH-2.0-OpenSSH_9.2p1\r\n"),
		"page":      answers(func([]byte) string { return "HTTP/1.1 200 OK\r\nServer: a/1\r\nContent-Length: 2\r\n\r\nok" }),
		"too long":  answers(func([]byte) string { return "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 20000) }),
		"error":     answers(func([]byte) string { return "?\r\n" }),
		"mail":      answers(func(b []byte) string { return "221 bye\r\n" }),
		"a goodbye": greets("220 mail ESMTP Postfix\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 20)
			e := serve(t, func(c *net.TCPConn) {
				peer(c)
				_, err := io.Copy(io.Discard, c)
				ended <- err
			})
			var log service.Log
			o := service.Options{RTT: 50 * time.Millisecond, Log: &log, Timeout: 4 * time.Second}
			if _, err := service.Identify(t.Context(), e, o); err != nil {
				t.Fatal(err)
			}
			for range log.Exchanges[len(log.Exchanges)-1].Connection {
				if err := <-ended; err != nil {
					t.Errorf("a connection ended with %v", err)
				}
			}
		})
	}
}

// A connection that is there already is the first one.
func TestHandedOver(t *testing.T) {
	var conns atomic.Int32
	e := serve(t, func(c *net.TCPConn) {
		conns.Add(1)
		greets("220 mail ESMTP Postfix\r\n")(c)
	})
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", e.AddrPort().String())
	if err != nil {
		t.Fatal(err)
	}
	o := quick
	o.Conn = c
	s, err := service.Identify(t.Context(), e, o)
	if err != nil || s.Name != "smtp" || conns.Load() != 1 {
		t.Errorf("%+v, %v after %d connections", s, err, conns.Load())
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("the connection is still open")
	}
}
