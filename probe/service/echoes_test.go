package service

import (
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"onmux/probe"
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
	for name, peer := range peers {
		for _, port := range []uint16{417, 25, 80, 443, 5432, 6379, 8080} {
			s, _ := simulate(t, port, peer)
			if s.Confidence == probe.High {
				t.Errorf("%q on %d: %s %s, rule %s, is of high confidence", name, port, s.Name, s.Product, s.Rule)
			}
		}
	}
}
