package probe

import (
	"testing"
	"time"
)

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 µs", 400 * time.Nanosecond: "0 µs", 8 * time.Microsecond: "8 µs", 99499 * time.Nanosecond: "99 µs",
		99500 * time.Nanosecond: "0.10 ms", 120 * time.Microsecond: "0.12 ms", 1300 * time.Microsecond: "1.30 ms",
		9960 * time.Microsecond: "9.96 ms", 9996 * time.Microsecond: "10 ms",
		22 * time.Millisecond: "22 ms", 250 * time.Millisecond: "250 ms", time.Second: "1 s",
		1500 * time.Millisecond: "1.5 s", 20 * time.Second: "20 s",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%v) = %q, want %q", d, got, want)
		}
	}
}
