package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/probe/request"
)

// server simulates a peer whose connections each run peer, and notes what they received.
type server struct {
	peer func(net.Conn)

	lock       sync.Mutex
	conns      int
	open, most int // at the same time
	received   [][]byte
	running    sync.WaitGroup
}

func (s *server) dial(context.Context) (net.Conn, error) {
	ours, theirs := pipe()
	s.lock.Lock()
	n := s.conns
	s.conns, s.open = s.conns+1, s.open+1
	s.most = max(s.most, s.open)
	s.received = append(s.received, nil)
	s.lock.Unlock()
	s.running.Go(func() {
		s.peer(&recorded{Conn: theirs, s: s, n: n})
		theirs.Close()
	})
	return &counted{Conn: ours, s: s}, nil
}

// recorded is the peer's end of a connection, counted this side's.
type recorded struct {
	net.Conn
	s *server
	n int
}

func (r *recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.s.lock.Lock()
	defer r.s.lock.Unlock()
	r.s.received[r.n] = append(r.s.received[r.n], b[:n]...)
	return n, err
}

type counted struct {
	net.Conn
	s    *server
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() {
		c.s.lock.Lock()
		defer c.s.lock.Unlock()
		c.s.open--
	})
	return c.Conn.Close()
}

// identifyWith identifies the simulated peer, and returns how long it took.
func (s *server) identifyWith(t *testing.T, port uint16, o Options) (found *probe.Service, took time.Duration) {
	t.Helper()
	o.RTT = time.Millisecond
	start := time.Now()
	found, err := newSearch(s.dial, port, o).identify(t.Context())
	took = time.Since(start)
	s.running.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return found, took
}

// later sends each text after the time before it, and reads until the client leaves.
func later(parts ...any) func(net.Conn) {
	return func(c net.Conn) {
		left := make(chan struct{})
		go func() {
			io.Copy(io.Discard, c)
			close(left)
		}()
		for _, p := range parts {
			switch p := p.(type) {
			case time.Duration:
				select {
				case <-time.After(p):
				case <-left:
					return
				}
			case string:
				io.WriteString(c, p)
			case func():
				p()
			}
		}
		<-left
	}
}

// A server that greets late, as postscreen and sendmail's greet_pause do, receives nothing
// before its greeting is complete, then the request for what it can do, and one connection.
func TestGreeterIsNotInterrupted(t *testing.T) {
	for _, tt := range []struct {
		name, service, product string
		port                   uint16
		parts                  []any
	}{
		{"greet_pause", "smtp", "Sendmail", 25, []any{5 * time.Second, "220 mx ESMTP Sendmail 8.17.1; now\r\n"}},
		{"a resolver's timeout", "ftp", "ProFTPD", 21, []any{5 * time.Second, "220 ProFTPD 1.3.8 Server ready.\r\n"}},
		{"postscreen", "smtp", "Postfix", 25, []any{"220-mx ESMTP Postfix\r\n", 6 * time.Second, "220 mx ESMTP Postfix\r\n"}},
		{"postscreen elsewhere", "smtp", "Postfix", 417, []any{"220-mx ESMTP Postfix\r\n", 6 * time.Second, "220 x\r\n"}},
		{"a slow start elsewhere", "ssh", "OpenSSH", 417, []any{90 * time.Millisecond, "SSH-2.0-OpenSSH_9.2p1\r\n"}},
		{"on the port of another", "ssh", "OpenSSH", 8080, []any{10 * time.Millisecond, "SSH-2.0-OpenSSH_9.2p1\r\n"}},
		{"vnc", "vnc", "", 5900, []any{"RFB 003.008\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := new(server)
				early := -1 // bytes
				s.peer = func(c net.Conn) {
					last := len(tt.parts) - 1
					later(append(tt.parts[:last:last], func() {
						s.lock.Lock()
						defer s.lock.Unlock()
						early = len(s.received[0])
					}, tt.parts[last])...)(c)
				}
				found, _ := s.identifyWith(t, tt.port, Options{})
				if early < 0 { // it left before the end
					early = len(s.received[0])
				}
				if found.Name != tt.service || found.Product != tt.product || s.conns != 1 || early > 0 {
					t.Errorf("%+v after %d connections, and early %q", found, s.conns, s.received)
				}
				list := map[string]string{"smtp": "EHLO onmux.invalid\r\nQUIT\r\n", "ftp": "FEAT\r\nQUIT\r\n"}[found.Name]
				if len(s.received[0]) > 0 && string(s.received[0]) != list {
					t.Errorf("sent %q", s.received)
				}
			})
		})
	}
}

// A banner in pieces is read to its end.
func TestTrickle(t *testing.T) {
	var drops []any
	for _, c := range "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n" {
		drops = append(drops, string(c), 150*time.Millisecond)
	}
	many := []any{}
	for range 40 {
		many = append(many, "220-"+strings.Repeat("x", 100)+"\r\n", 100*time.Millisecond)
	}
	for _, tt := range []struct {
		name, service, version string
		peer                   func(net.Conn)
	}{
		{"ssh", "ssh", "9.2p1", later("SSH-2.0-", 300*time.Millisecond, "OpenSSH_9.2p1 Debian-2\r\n")},
		{"in the version", "ssh", "9.2p1", later("SSH-2.0-OpenSSH_9", 300*time.Millisecond, ".2p1 Debian-2\r\n")},
		{"smtp", "smtp", "4.96", later("220 mail", time.Second, " ESMTP Exim 4.96\r\n")},
		{"between the lines", "ftp", "1.3.8", later("220-hello\r\n", time.Second, "220 ProFTPD 1.3.8 Server\r\n")},
		{"a byte at a time", "ssh", "9.2p1", later(drops...)},
		{"many lines", "smtp", "4.96", later(append(many, "220 mail ESMTP Exim 4.96\r\n")...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{peer: tt.peer}
				found, took := s.identifyWith(t, 417, Options{})
				if found.Name != tt.service || found.Version != tt.version || took > DefaultTimeout || s.conns != 1 {
					t.Errorf("%+v after %s and %d connections", found, took, s.conns)
				}
			})
		})
	}
}

// The timeout bounds the whole, and so each wait.
func TestTimeout(t *testing.T) {
	late := later(8*time.Second, "220 mail ESMTP Exim 4.96\r\n")
	for _, tt := range []struct {
		timeout time.Duration
		port    uint16
		peer    func(net.Conn)
		service string
	}{
		{12 * time.Second, 25, late, "smtp"}, {12 * time.Second, 417, late, "smtp"}, {0, 25, late, "unknown"},
		{time.Second, 25, late, "unknown"}, {300 * time.Millisecond, 417, late, "unknown"},
		{300 * time.Millisecond, 417, later("220 mail", time.Second, " ESMTP Exim 4.96\r\n"), "unknown"},
		{100 * time.Millisecond, 80, forever([]byte("HTTP/1.1 200 OK\r\nX: "), 10*time.Millisecond), "http"},
	} {
		t.Run(fmt.Sprintf("%s on %d", tt.timeout, tt.port), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{peer: tt.peer}
				o := Options{Timeout: tt.timeout}
				found, took := s.identifyWith(t, tt.port, o)
				if found.Name != tt.service || took > o.timeout() {
					t.Errorf("%+v after %s", found, took)
				}
			})
		})
	}
}

// A peer gets six connections if it sends nothing, eight at most, two at a time; all are
// closed in the end.
func TestConnections(t *testing.T) {
	weak := map[string]string{"": "?\r\n"}
	for _, tt := range []struct {
		name string
		most int
		peer func(net.Conn)
	}{
		{"silent", 6, func(c net.Conn) { io.Copy(io.Discard, c) }},
		{"closes at once", 6, func(net.Conn) {}},
		{"closes on data", 6, func(c net.Conn) { c.Read(make([]byte, 1)) }},
		{"closes on much data", 6, func(c net.Conn) { c.Read(make([]byte, 4096)) }},
		{"closes late", 6, func(c net.Conn) { time.Sleep(time.Second) }},
		{"the same to everything", 8, answering("", weak)},
		{"greets with something unknown", 1, answering("hello\r\n", weak)},
		{"greets as several do", 3, answering("220 hello\r\n", weak)},
		{"an error, closed", 8, answering("", map[string]string{"GET": "HTTP/1.1 400 Bad Request\r\n\r\n", "": hangUp})},
		{"a page", 1, answering("", map[string]string{"GET": "HTTP/1.0 200 OK\r\nServer: a/1\r\n\r\n"})},
		{"echo", 2, func(c net.Conn) { io.Copy(c, c) }},
	} {
		for _, port := range []uint16{417, 22, 443, 5432, 8080} {
			t.Run(fmt.Sprintf("%s on %d", tt.name, port), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &server{peer: tt.peer}
					found, took := s.identifyWith(t, port, Options{})
					most := tt.most
					if port == 443 || port == 5432 {
						most = max(most, 2) // its own request first
					}
					if s.conns > most || s.most > 2 || s.open != 0 || took > 6*time.Second {
						t.Errorf("%d connections, %d at a time, %d left open, %s: %+v", s.conns, s.most, s.open, took, found)
					}
				})
			})
		}
	}
}

// Requests of the same service follow on the connection that is there, the end of the
// session too.
func TestSameConnection(t *testing.T) {
	redis := answering("", map[string]string{"GET": "-ERR wrong number of arguments for 'get' command\r\n",
		"INFO": "$38\r\n# Server\r\nredis_version:7.0.15\r\n\r\n"})
	for _, tt := range []struct {
		name    string
		port    uint16
		peer    func(net.Conn)
		version string
		sent    string // ends so
	}{
		{"smtp", 25,
			answering("220 mx ESMTP Postfix\r\n", map[string]string{"EHLO": "250 mx\r\n", "QUIT": "221 bye\r\n"}), "",
			"EHLO onmux.invalid\r\nQUIT\r\n"},
		{"imap", 417, answering("* OK Dovecot ready.\r\n", map[string]string{"a ": "a OK\r\n"}), "", "b LOGOUT\r\n"},
		{"redis", 417, redis, "7.0.15", "INFO server\r\n"},
		{"mysql", 3306, mysql(t, "\x07\x00\x00\x02\xff\x15\x04#28000Access denied"), "10.11.6", "mysql_native_password\x00"},
		{"mysql, another plugin", 417, mysql(t, "\x0c\x00\x00\x02\xfeed25519\x00xyz"), "10.11.6", "\x00\x00\x00\x03"},
		{"mysql, open to all", 417, mysql(t, "\x07\x00\x00\x02\x00\x00\x00\x02\x00\x00\x00"), "10.11.6",
			"\x01\x00\x00\x00\x01"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{peer: tt.peer}
				found, _ := s.identifyWith(t, tt.port, Options{})
				if found.Version != tt.version || s.conns != 1 || !bytes.HasSuffix(s.received[0], []byte(tt.sent)) {
					t.Errorf("%+v, %d connections: %q", found, s.conns, s.received)
				}
			})
		})
	}
}

// mysql greets as MariaDB does, and has a reply to the handshake response.
func mysql(t *testing.T, reply string) func(net.Conn) {
	return func(c net.Conn) {
		io.WriteString(c, "\x5a\x00\x00\x00\x0a5.5.5-10.11.6-MariaDB-0+deb12u1\x00"+strings.Repeat("\x01", 60))
		head := make([]byte, 4)
		if _, err := io.ReadFull(c, head); err != nil || head[3] != 1 {
			t.Errorf("the handshake was left: %v", err)
			return
		}
		if _, err := io.ReadFull(c, make([]byte, head[0])); err != nil {
			t.Error(err)
		}
		io.WriteString(c, reply)
		io.Copy(io.Discard, c)
	}
}

// The evidence has every request with its bytes, the answer and how the connection ended.
func TestExchanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := "HTTP/1.0 200 OK\r\nServer: a\r\n\r\n" + strings.Repeat("x", 3000)
		s := &server{peer: answering("", map[string]string{"GET / ": long, "": hangUp})}
		var log Log
		began := time.Now().UTC()
		s.identifyWith(t, 5432, Options{Log: &log})
		var names, ends []string
		for _, x := range log.Exchanges {
			names, ends = append(names, x.Request), append(ends, string(x.End))
		}
		if want := []string{"wait", "postgresql", "http"}; !slices.Equal(names, want) {
			t.Fatalf("%q, want %q", names, want)
		}
		if want := []string{"continued", "closed", "closed"}; !slices.Equal(ends, want) {
			t.Errorf("%q, want %q", ends, want)
		}
		x := log.Exchanges[1]
		if x.Connection != 1 || string(x.Sent) != string(message("postgresql")) || x.SentBytes != 8 || x.IsAnswered() ||
			x.Time != began.Add(20400*time.Microsecond) {
			t.Errorf("%+v", x)
		}
		x = log.Exchanges[2]
		if x.Connection != 2 || string(x.Answer) != long[:1024] || x.AnswerSize != len(long) {
			t.Errorf("%+v", x)
		}
	})
}

// A login in an answer is not in the evidence.
func TestExchangesArePrivate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log Log
		s := &server{peer: later(mmLoginOf("alice"))}
		s.identifyWith(t, 417, Options{Log: &log})
		if x := log.Exchanges[0]; bytes.Contains(x.Answer, []byte("alice")) || x.AnswerSize == 0 {
			t.Errorf("%q", x.Answer)
		}
	})
}

func mmLoginOf(user string) string {
	return "\x38\x00\x00\x01\x02\x03\x04\x05\x00\x00\x24\x55\xff\xff\x00\x00\x00\x06\x05" + user +
		"\x00\x00\x00\x07\x06s3cret"
}

// A server that dies while it is asked is asked no more, and that is reported.
func TestStopped(t *testing.T) {
	for _, lives := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{peer: func(c net.Conn) { c.Read(make([]byte, 1)) }}
			var log Log
			dials := 0
			dial := func(ctx context.Context) (net.Conn, error) {
				if dials++; dials > lives {
					return nil, errors.New("connection refused")
				}
				return s.dial(ctx)
			}
			found, err := newSearch(dial, 8080, Options{RTT: time.Millisecond, Log: &log}).identify(t.Context())
			if err != nil || found.Name != "unknown" || !strings.Contains(found.Info, "refuses further connections") {
				t.Errorf("%+v, %v", found, err)
			}
			last := log.Exchanges[len(log.Exchanges)-1]
			if log.Stopped == nil || log.Stopped.End != probe.EndRefused || last.End != probe.EndRefused || dials > lives+2 {
				t.Errorf("%+v after %d connections, last %+v", log.Stopped, dials, last)
			}
			if want := []string{"http", "wait"}[lives-1]; log.Stopped != nil && log.Stopped.After != want &&
				log.Stopped.After != "tls" {
				t.Errorf("after %s, want %s", log.Stopped.After, want)
			}
			s.running.Wait()
		})
	}
}

// That the time of the whole runs out while a connection is made is not the peer's end.
func TestOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{peer: func(c net.Conn) { io.Copy(io.Discard, c) }}
		var log Log
		dials := 0
		dial := func(ctx context.Context) (net.Conn, error) {
			if dials++; dials == 1 {
				return s.dial(ctx)
			}
			until, _ := ctx.Deadline()
			time.Sleep(time.Until(until) - time.Microsecond) // package net may be a little early
			return nil, os.ErrDeadlineExceeded
		}
		o := Options{RTT: time.Millisecond, Timeout: time.Second, Log: &log}
		if _, err := newSearch(dial, 8080, o).identify(t.Context()); err != nil {
			t.Error(err)
		}
		if last := log.Exchanges[len(log.Exchanges)-1]; dials < 2 || log.Stopped != nil || last.End != probe.EndLeft {
			t.Errorf("%+v after %d connections, last %+v", log.Stopped, dials, last)
		}
		s.running.Wait()
	})
}

// The slow answer to a page is received, though other requests are sent meanwhile.
func TestSlowPage(t *testing.T) {
	for _, port := range []uint16{417, 8080} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{peer: func(c net.Conn) {
				b := make([]byte, 4096)
				n, _ := c.Read(b)
				if !bytes.HasPrefix(b[:n], []byte("GET ")) {
					io.WriteString(c, "HTTP/1.0 400 Bad Request\r\n\r\n")
					return
				}
				time.Sleep(3 * time.Second)
				io.WriteString(c, "HTTP/1.0 200 OK\r\nServer: slow/1.0\r\n\r\n")
			}}
			if found, _ := s.identifyWith(t, port, Options{}); found.Product != "slow" {
				t.Errorf("%+v after %d connections", found, s.conns)
			}
		})
	}
}

// What the peer does with requests that it cannot read decides what is sent next.
func TestReactions(t *testing.T) {
	for _, tt := range []struct {
		name string
		peer func([]byte) string // "" waits for more
		want string
	}{
		{"memcached", func(b []byte) string {
			switch {
			case bytes.HasPrefix(b, []byte("GET ")):
				return hangUp
			case bytes.HasPrefix(b, []byte("version\r\n")):
				return "VERSION 1.6.18\r\n"
			}
			return ""
		}, "memcached"},
		{"ldap", func(b []byte) string {
			switch {
			case bytes.HasPrefix(b, []byte("GET ")):
				return ""
			case b[0] == 0x30:
				return "\x30\x0c\x02\x01\x07\x65\x07\x0a\x01\x00\x04\x00\x04\x00"
			}
			return hangUp
		}, "ldap"},
		{"x11", func(b []byte) string {
			switch b[0] {
			case 'l':
				return "\x00\x16\x0b\x00\x00\x00\x06\x00No protocol specified\n\x00\x00"
			case 0:
				return ""
			}
			return hangUp
		}, "x11"},
		{"http-proxy", func(b []byte) string {
			switch {
			case bytes.HasPrefix(b, []byte("GET / HTTP/1.0")):
				return hangUp
			case bytes.HasPrefix(b, []byte("GET / HTTP/1.1")):
				return "HTTP/1.0 405 Method Not Allowed\r\nServer: tor/1.0 (tor 0.4.9.11)\r\n\r\n" +
					"<title>This is an HTTP CONNECT tunnel, not a full HTTP Proxy</title>"
			}
			return ""
		}, "http-proxy"},
		{"zabbix", func(b []byte) string {
			if bytes.HasPrefix(b, []byte("ZBXD\x01")) {
				return "ZBXD\x01\x01\x00\x00\x00\x00\x00\x00\x001"
			}
			return hangUp
		}, "zabbix"},
		{"irc", func(b []byte) string {
			if bytes.Contains(b, []byte("VERSION\r\n")) {
				return ":irc.invalid 451 * VERSION :You have not registered.\r\n"
			}
			return ""
		}, "irc"},
		{"epmd", func(b []byte) string {
			if bytes.Equal(b, []byte("\x00\x01\x6e")) {
				return "\x00\x00\x11\x11name rabbit at port 25672\n"
			}
			return hangUp
		}, "epmd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, n := simulate(t, 417, func(c net.Conn) {
				b := make([]byte, 4096)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					reply := tt.peer(b[:n])
					if reply == hangUp {
						return
					}
					io.WriteString(c, reply)
				}
			})
			if s.Name != tt.want || n > maxSilentConns {
				t.Errorf("%+v after %d connections", s, n)
			}
		})
	}
}

// Every port that is listed as greeting has a server that does, and no request of its own that
// does not wait for that.
func TestGreeterPorts(t *testing.T) {
	for _, port := range waiting.Ports {
		for _, r := range request.TCP() {
			if r.UsualOn(port) && !r.AfterGreeting {
				t.Errorf("%d greets, and is sent %s", port, r.Name)
			}
		}
		if clientHello.UsualOn(port) {
			t.Errorf("%d greets, and is sent a ClientHello", port)
		}
	}
}

// A registered UDP port is sent its own requests alone; others get each request once, those
// of services that log what they cannot read among the first.
func TestDatagramsFor(t *testing.T) {
	for port, want := range map[uint16][]string{
		53: {"dns"}, 88: {"kerberos"}, 514: nil, 1194: {"openvpn"}, 5353: {"mdns"}, 443: {"quic"}, 13: nil,
	} {
		var got []string
		for _, r := range datagramsFor(port, false) {
			got = append(got, r.Name)
		}
		if len(got) > len(want)+1 || len(want) > 0 && got[0] != want[0] || len(want) == 0 && len(got) > 1 {
			t.Errorf("%d: %q, want %q", port, got, want)
		}
	}
	seen := make(map[string]bool)
	for i, r := range datagramsFor(417, false) {
		if seen[r.Name] || len(r.Bytes("")) == 0 || r.Name == "kerberos" && i > 4 {
			t.Errorf("%d: %s", i, r.Name)
		}
		seen[r.Name] = true
	}
	if len(seen) > 20 || len(datagramsFor(417, true)) <= len(seen) {
		t.Errorf("%d requests", len(seen))
	}
}
