package service

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/probe/request"
)

// simulate identifies a peer on a port, each connection of which runs f. It
// returns how many connections there were, too.
func simulate(t *testing.T, port uint16, f func(net.Conn)) (found *probe.Service, conns int) {
	t.Helper()
	return simulateWith(t, port, Options{RTT: time.Millisecond}, f)
}

func simulateWith(t *testing.T, port uint16, o Options, f func(net.Conn)) (found *probe.Service, conns int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var lock sync.Mutex
		var peers sync.WaitGroup
		s := newSearch(func(context.Context) (net.Conn, error) {
			lock.Lock()
			conns++
			lock.Unlock()
			ours, theirs := pipe()
			peers.Go(func() {
				f(theirs)
				theirs.Close()
			})
			return ours, nil
		}, port, o)
		var err error
		if found, err = s.identify(t.Context()); err != nil {
			t.Fatal(err)
		}
		peers.Wait()
	})
	return found, conns
}

// answering is a peer that greets, if it has a greeting, and has an answer for the
// requests that begin with a prefix, the longest first.
func answering(greeting string, answers map[string]string) func(net.Conn) {
	return func(c net.Conn) {
		c.Write([]byte(greeting))
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			longest := ""
			for prefix := range answers {
				if len(prefix) > len(longest) && bytes.HasPrefix(b[:n], []byte(prefix)) {
					longest = prefix
				}
			}
			reply := answers[longest]
			if reply == hangUp {
				return
			}
			c.Write([]byte(reply))
			if strings.HasPrefix(reply, "HTTP/1.") {
				return
			}
		}
	}
}

const hangUp = "hang up"

// A service that answers HTTP may be more than that: the request that is usual on the port
// is sent all the same, and one that the page points to on any port.
func TestMoreThanHTTP(t *testing.T) {
	mongo := map[string]string{
		"GET ": "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nIt looks like you are trying " +
			"to access MongoDB over HTTP on the native driver port.\r\n",
		string(message("mongodb")[:4]): "\x2f\x00\x00\x00\x02\x00\x00\x00\x17\x04\x17\x04\xdd\x07\x00\x00\x00\x00\x00\x00" +
			"\x00\x1a\x00\x00\x00\x02version\x00\x06\x00\x00\x007.0.5\x00\x00",
	}
	rabbit := map[string]string{"GET ": "HTTP/1.0 400 Bad Request\r\n\r\n",
		"\x00\x01\x6e": "\x00\x00\x11\x11name rabbit at port 25672\n", "": hangUp}
	exporter := map[string]string{
		"GET /": "HTTP/1.0 404 Not Found\r\n\r\n404 page not found\n", "GET /metrics": "HTTP/1.0 200 OK\r\n\r\n# TYPE up " +
			"gauge\nup 1\n"}
	for _, tt := range []struct {
		name                      string
		port                      uint16
		answers                   map[string]string
		service, product, version string
	}{
		{"mongodb", 417, mongo, "mongodb", "MongoDB", "7.0.5"},
		{"mongodb on its port", 27017, mongo, "mongodb", "MongoDB", "7.0.5"},
		{"exporter", 417, exporter, "http", "Prometheus exporter", ""},
		{"on its port", 4369, rabbit, "epmd", "Erlang Port Mapper Daemon", ""},
		{"elsewhere", 417, rabbit, "http", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := simulate(t, tt.port, answering("", tt.answers))
			if s.Name != tt.service || s.Product != tt.product || s.Version != tt.version {
				t.Errorf("%+v, want %s %s %s", s, tt.service, tt.product, tt.version)
			}
		})
	}
}

// After a greeting that several protocols begin with, the requests of these are sent;
// where it stays unclear, the port decides, or nothing does.
func TestGreetingsWithoutName(t *testing.T) {
	strict := map[string]string{"EHLO": "500 What?\r\n", "HELP": "500 What?\r\n", "CAPA": "500 What?\r\n"}
	for _, tt := range []struct {
		name, greeting string
		port           uint16
		answers        map[string]string
		service        string
	}{
		{"vsftpd", "220 Authorized users only.\r\n", 417, map[string]string{"": "530 Please login with USER and PASS.\r\n"},
			"ftp"},
		{"smtp", "220 mx1.example.net ready at Mon\r\n", 417, map[string]string{"EHLO": "250 mx1.example.net\r\n"}, "smtp"},
		{"smtp with a short greeting", "220 mx1.example.net ready at Mon\r\n", 26,
			map[string]string{"": "500 5.5.1 Command unrecognized\r\n"}, "smtp"},
		{"neither", "220 welcome\r\n", 417, strict, "unknown"},
		{"neither, on the usual port", "220 welcome\r\n", 21, strict, "ftp"},
		{"busy, on the usual port", "421 Too many connections.\r\n", 21, map[string]string{"": hangUp}, "ftp"},
		{"busy, on the other's port", "421 mx1 Service not available\r\n", 25, map[string]string{"": hangUp}, "smtp"},
		{"news", "200 hello\r\n", 417, map[string]string{"CAPABILITIES": "101 Capability list:\r\nVERSION 2\r\n.\r\n",
			"": "500 What?\r\n"}, "nntp"},
		{"news on its port", "200 hello\r\n", 119, map[string]string{"": "500 What?\r\n"}, "nntp"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if s, n := simulate(t, tt.port, answering(tt.greeting, tt.answers)); s.Name != tt.service || n > maxConns {
				t.Errorf("%+v after %d connections, want %s", s, n, tt.service)
			}
		})
	}
}

// Where every request may be sent, each is, once at most beside those that are repeated after a
// refusal; otherwise a few.
func TestThorough(t *testing.T) {
	all := 0
	for name, then := range map[string]func(net.Conn){
		"closes": func(net.Conn) {},
		"waits":  func(c net.Conn) { io.Copy(io.Discard, c) },
	} {
		want := map[string]bool{request.HTTP.Name: true}
		for _, q := range request.TCP() {
			if !q.Generic && !q.AfterGreeting && !q.Completes {
				want[q.Name] = true
			}
		}
		all = len(want)
		var lock sync.Mutex
		peer := func(c net.Conn) {
			b := make([]byte, 4096)
			n, _ := c.Read(b)
			lock.Lock()
			for _, q := range append(request.TCP(), &request.HTTP) {
				if w := message(q.Name); len(w) > 0 && bytes.Equal(w, b[:n]) {
					delete(want, q.Name)
				}
			}
			lock.Unlock()
			then(c)
		}
		simulateWith(t, 417, Options{RTT: time.Millisecond, Thorough: true}, peer)
		if len(want) > 0 {
			t.Errorf("a peer that %s did not receive %v", name, want)
		}
	}
	_, n := simulate(t, 417, func(c net.Conn) { c.Read(make([]byte, 4096)) })
	if n > maxSilentConns || all <= maxSilentConns {
		t.Errorf("%d connections to a peer that closes them, of %d requests", n, all)
	}
	s, _ := simulate(t, 50051, answering("", map[string]string{"PRI * HTTP/2": "\x00\x00\x00\x04\x00\x00\x00\x00\x00"}))
	if s.Name != "h2c" {
		t.Errorf("%+v, want h2c", s)
	}
}

// A peer that sends the same to every client is not identified by a protocol in which
// those bytes happen to be valid.
func TestEchoes(t *testing.T) {
	for _, tt := range []struct {
		reply   string
		port    uint16
		service string
	}{
		{"\x00\x00\x00\x01", 417, "unknown"}, {"\x00\x00\x11\x11", 80, "unknown"},
		{"\x05\x00", 417, "unknown"}, {"\x05\x00", 80, "unknown"}, {"\x05\xff", 1080, "unknown"},
		{"N", 417, "unknown"}, {"N", 443, "unknown"}, {"\x20\x02\x00\x01", 8883, "unknown"},
	} {
		t.Run(fmt.Sprintf("%q on %d", tt.reply, tt.port), func(t *testing.T) {
			if s, _ := simulate(t, tt.port, answering("", map[string]string{"": tt.reply})); s.Name != tt.service {
				t.Errorf("%+v, want %s", s, tt.service)
			}
			if s, _ := simulate(t, tt.port, answering(tt.reply, nil)); s.Name != "unknown" {
				t.Errorf("as a greeting: %+v", s)
			}
		})
	}
	for _, reply := range []string{
		"ERROR\r\n", "UNKNOWN_COMMAND\r\n", "UNKNOWN COMMAND\n", "-ERR unknown command\r\n",
		"-NOAUTH Authentication required.\r\n",
	} {
		if s, n := simulate(t, 417, answering("", map[string]string{"": reply})); s.Name != "unknown" || n > maxConns {
			t.Errorf("%q to everything: %+v after %d connections", reply, s, n)
		}
	}
	locked := map[string]string{"GET ": "-ERR wrong number of arguments for 'get' command\r\n",
		"INFO": "-NOAUTH Authentication required.\r\n"}
	for _, port := range []uint16{417, 6379} {
		if s, _ := simulate(t, port, answering("", locked)); s.Name != "redis" {
			t.Errorf("Redis with a password, on %d: %+v", port, s)
		}
	}
	microsocks := map[string]string{"": "\x05\xff", "\x05\x01\x00": "\x05\x00"}
	if s, _ := simulate(t, 417, answering("", microsocks)); s.Name != "socks" || s.Confidence != probe.High {
		t.Errorf("%+v", s)
	}
	if s, _ := simulate(t, 4369,
		answering("", map[string]string{"\x00\x01\x6e": "\x00\x00\x11\x11"})); s.Name != "epmd" ||
		s.Confidence != probe.Medium {
		t.Errorf("%+v", s)
	}
}
