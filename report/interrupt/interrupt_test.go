package interrupt

import (
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestSameSignal: signals that follow the first within half a second are the same request, as those of
// timeout(1) are; a later one is another.
func TestSameSignal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		after []time.Duration
		want  bool
	}{
		{nil, false},
		{[]time.Duration{0}, false},
		{[]time.Duration{0, sameSignal / 2, sameSignal}, false},
		{[]time.Duration{sameSignal + 1}, true},
		{[]time.Duration{time.Millisecond, 2 * sameSignal}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			signals, done := make(chan os.Signal), make(chan struct{})
			go func() {
				begun := time.Now()
				for _, at := range c.after {
					time.Sleep(at - time.Since(begun))
					signals <- os.Interrupt
				}
				if !c.want {
					time.Sleep(time.Second)
					close(done)
				}
			}()
			if got := another(signals, done); got != c.want {
				t.Errorf("after %v: %v", c.after, got)
			}
		})
	}
}
