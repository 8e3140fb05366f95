package probe

import (
	"testing"
	"time"
)

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.00 ms", 40 * time.Microsecond: "0.04 ms", 1300 * time.Microsecond: "1.3 ms", 9960 * time.Microsecond: "10 ms",
		22 * time.Millisecond: "22 ms", 250 * time.Millisecond: "250 ms", time.Second: "1 s", 1500 * time.Millisecond: "1.5 s", 20 * time.Second: "20 s",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%v) = %q, want %q", d, got, want)
		}
	}
}
