package service

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest/race"
	"onmux/probe/service/answer"
)

// A peer that answers everything with the same, or with what it was sent, or with noise, has no
// service that is certain, on any port.
func TestNothingIsCertainOfEchoes(t *testing.T) {
	always := func(reply string) func(net.Conn) { return answering("", map[string]string{"": reply}) }
	peers := map[string]func(net.Conn){
		"echo":     func(c net.Conn) { io.Copy(c, c) },
		"discards": func(c net.Conn) { io.Copy(io.Discard, c) },
		"closes":   func(net.Conn) {},
		"closes after the request": func(c net.Conn) {
			c.Read(make([]byte, 4096))
		},
		"drips": func(c net.Conn) {
			go io.Copy(io.Discard, c)
			for range 100 {
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		},
		"lines of an SSH tarpit": func(c net.Conn) {
			go io.Copy(io.Discard, c)
			for range 20 {
				if _, err := io.WriteString(c, "3kfh3k4hf\r\n"); err != nil {
					return
				}
				time.Sleep(3 * time.Second)
			}
		},
	}
	for _, reply := range []string{
		"ERROR\r\n", "ERR unknown command\r\n", "-ERR unknown command\r\n", "500 unknown command\r\n", "+OK\r\n", "OK\r\n",
		"530 Please login with USER and PASS.\r\n", "421 go away\r\n", "UNKNOWN_COMMAND\r\n", "UNKNOWN COMMAND\n",
		"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 502 Bad Gateway\r\n\r\n", "HTTP/1.0 200 Connection established\r\n\r\n",
		"HTTP/1.1 403 Forbidden\r\nServer: gate\r\n\r\n", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
		"\x15\x03\x01\x00\x02\x02\x28", "\x15\x03\x03\x00\x02\x02\x50", "\x00", "\x00\x00\x00\x00", "\x05\x00", "\x05\xff",
		"N", "S", "\x00\x00\x00\x01", "\xff\xff\xff\xff", "\x00\x00\x11\x11", "Go away\n", "login: ", "{}\n", "<html></html>",
		"554 no\r\n", "500\r\n", "514 Authentication required.\r\n",
	} {
		peers["always "+reply] = always(reply)
	}
	r := rand.New(rand.NewPCG(417, 15))
	for range 20 {
		noise := make([]byte, 1+r.IntN(200))
		for i := range noise {
			noise[i] = byte(r.Uint32())
		}
		peers["noise "+string(noise[:1])] = always(string(noise))
		peers["greets with noise "+string(noise[:1])] = answering(string(noise), nil)
	}
	n := 0
	for name, peer := range peers {
		for _, port := range []uint16{417, 25, 80, 443, 5432, 6379, 8080} {
			if n++; n%race.Nth != 0 {
				continue
			}
			s, _ := simulate(t, port, peer)
			if s.Confidence == probe.High {
				t.Errorf("%q on %d: %s %s, rule %s, is of high confidence", name, port, s.Name, s.Product, s.Rule)
			}
		}
	}
}

// What real servers have answered is no evidence when it comes whatever is asked: only a greeting that came unasked
// is, and a page that names its software.
func TestSameAnswerToEverything(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("answer/testdata/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	replies := []string{
		"+OK\r\n", "+OK hello\r\n", "* OK\r\n", "* OK hello\r\n", "* BYE go\r\n", "220 hello\r\n", "220 x ESMTP\r\n",
		"220 ftp\r\n", "220 (vsFTPd 3.0.3)\r\n", "200 news\r\n", "554 no\r\n", "421 go away\r\n", "SSH-2.0-x\r\n",
		"RFB 003.008\n", "\xff\xfd\x18\xff\xfd\x20", "\x05\x00", "\x05\xff", "\x00\x5b\x00\x00\x00\x00\x00\x00", "N", "S",
		"AMQP\x00\x00\x09\x01", "AMQP\x03\x01\x00\x00", "\x20\x02\x00\x01", "AB\x00\x01\x09", "ZBXD\x01", "001fERR x\n",
		"VERSION 1.2.3\r\n", "Zookeeper version: 3.8.0\n", "RTSP/1.0 200 OK\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n",
		":x 451 * :not registered\r\n", "finger: x: no such user\n", "514 Authentication required.\r\n",
		"-NOAUTH Authentication required.\r\n", "-ERR unknown command\r\n", "\x15\x03\x03\x00\x02\x02\x50",
		"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
		"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP/1.0 502 Bad Gateway\r\n\r\n",
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		reply, err := strconv.Unquote(f[len(f)-1])
		if err != nil || isUnfinished([]byte(reply)) || isPage([]byte(reply)) {
			continue // the file has the beginnings of long answers
		}
		replies = append(replies, reply)
	}
	for i, reply := range replies {
		for name, peer := range map[string]func(net.Conn){
			"to each request":       answering("", map[string]string{"": reply}),
			"to each first request": answersOnce(reply),
		} {
			ports := []uint16{417, 25, 110, 1080, 8080}
			for _, port := range ports[i%2 : i%2+2] {
				if s, n := simulate(t, port, peer); s.Name != "unknown" || n > maxConns {
					t.Errorf("%.60q %s, on %d: %s %s %s, rule %s, after %d connections", reply, name, port, s.Name, s.Product,
						s.Confidence, s.Rule, n)
				}
			}
		}
	}
}

// answersOnce sends the same reply to the first request of every connection, and closes it.
func answersOnce(reply string) func(net.Conn) {
	return func(c net.Conn) {
		if n, _ := c.Read(make([]byte, 4096)); n > 0 {
			io.WriteString(c, reply)
		}
	}
}

// A greeting that comes a little late, when a request was sent already, is recognised as one; so is the answer of a
// server that sends something else to other requests.
func TestEvidence(t *testing.T) {
	const greeting = "220 mx.invalid ESMTP Exim 4.96\r\n"
	late := func(c net.Conn) {
		go io.Copy(io.Discard, c)
		time.Sleep(150 * time.Millisecond)
		io.WriteString(c, greeting)
		time.Sleep(time.Second)
	}
	if s, n := simulate(t, 417, late); s.Name != "smtp" || s.Confidence != probe.High || s.Probe != answer.Waiting {
		t.Errorf("a late greeting: %+v after %d connections", s, n)
	}
	for name, tt := range map[string]struct {
		port    uint16
		answers map[string]string
		service string
		conns   int // at most
	}{
		"mqtt":  {1883, map[string]string{"\x10": "\x20\x02\x00\x01", "": hangUp}, "mqtt", 2},
		"socks": {1080, map[string]string{"\x05\x01\x00": "\x05\x00", "": hangUp}, "socks", 2},
		"clamd": {417, map[string]string{"": "UNKNOWN COMMAND\n", "nVERSION": "ClamAV 1.4.2/1\n"}, "clamd", 3},
		"gearman": {417, map[string]string{"": "ERR UNKNOWN_COMMAND Unknown+server+command\r\n", "version": "OK 1.1\n"},
			"gearman", 2},
		"error 404": {417, map[string]string{"GET ": "HTTP/1.0 404 Not Found\r\n\r\n", "": hangUp}, "http", 3},
		"error 400": {417, map[string]string{"": "HTTP/1.1 400 Bad Request\r\n\r\n",
			"GET / HTTP/1.1": "HTTP/1.1 200 OK\r\n\r\nhello"}, "http", 4},
	} {
		if s, n := simulate(t, tt.port, answering("", tt.answers)); s.Name != tt.service || n > tt.conns {
			t.Errorf("%s: %+v after %d connections, want at most %d", name, s, n, tt.conns)
		}
	}
}
