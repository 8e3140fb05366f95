package service

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe/service/answer"
)

// A peer may drip, stop or flood: receive ends by the clock or by the size.
func TestReceive(t *testing.T) {
	p := pace{answerWait: 600 * time.Millisecond, pause: 250 * time.Millisecond}
	for _, tt := range []struct {
		name     string
		every    time.Duration // between two bytes of the peer
		bytes    int           // that it has; below zero: text
		received int
		took     time.Duration
	}{
		{"silent", 0, 0, 0, p.answerWait},
		{"one byte, then a pause", 0, 1, 1, p.pause},
		{"drips below the pause", 210 * time.Millisecond, 1 << 20, 8, 1810 * time.Millisecond},
		{"a line without end", 210 * time.Millisecond, -1 << 20, 47, 10 * time.Second},
		// the wait for the first byte is no pause
		{"drips above the pause", p.pause + time.Millisecond, 100, 1, 2*p.pause + time.Millisecond},
		{"floods", 0, 1 << 20, answer.MaxSize, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				done := make(chan struct{})
				go func() {
					defer close(done)
					n, b := tt.bytes, []byte("\xff")
					if n < 0 {
						n, b = -n, []byte("x")
					}
					for range n {
						time.Sleep(tt.every)
						if _, err := theirs.Write(b); err != nil {
							return
						}
					}
				}()
				start := time.Now()
				s := &stream{conn: ours, pace: p, answerWait: p.answerWait, deadline: start.Add(10 * time.Second)}
				s.receive(t.Context())
				took := time.Since(start)
				ours.Close()
				<-done
				if len(s.received) != tt.received || took != tt.took {
					t.Errorf("received %d bytes in %s, want %d in %s", len(s.received), took, tt.received, tt.took)
				}
			})
		})
	}
}

// A page is whole when it has the length that it states, or its last chunk.
func TestWholePage(t *testing.T) {
	for page, want := range map[string]bool{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok":                            true,
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok":                            false,
		"HTTP/1.1 200 OK\r\n\r\nok":                                                 false,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n":          false,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n": true,
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n":                                  false,
	} {
		if isWholePage([]byte(page)) != want {
			t.Errorf("%q: want %t", page, want)
		}
	}
}
