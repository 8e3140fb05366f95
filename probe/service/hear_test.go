package service

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A peer may drip, stop or flood: hear ends by the clock or by the size.
func TestHear(t *testing.T) {
	for _, tt := range []struct {
		name  string
		every time.Duration // between two bytes of the peer
		bytes int           // that it has
		heard int
		took  time.Duration
	}{
		{"silent", 0, 0, 0, 10 * time.Second},
		{"one byte, then a pause", 0, 1, 1, pause},
		{"drips below the pause", 210 * time.Millisecond, 1 << 20, 47, 10 * time.Second},
		{"drips above the pause", pause + time.Millisecond, 100, 1, 2*pause + time.Millisecond}, // the wait for the first byte is no pause
		{"floods", 0, 1 << 20, hearAtMost, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				done := make(chan struct{})
				go func() {
					defer close(done)
					for range tt.bytes {
						time.Sleep(tt.every)
						if _, err := theirs.Write([]byte("x")); err != nil {
							return
						}
					}
				}()
				start := time.Now()
				got := hear(ours, start.Add(10*time.Second))
				took := time.Since(start)
				ours.Close()
				<-done
				if len(got) != tt.heard || took != tt.took {
					t.Errorf("heard %d bytes in %s, want %d in %s", len(got), took, tt.heard, tt.took)
				}
			})
		})
	}
}
