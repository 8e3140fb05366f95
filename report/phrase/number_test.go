package phrase

import (
	"math"
	"testing"
	"time"
)

func TestHuman(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 µs", 0: "0 µs", 499 * time.Nanosecond: "0 µs", 500 * time.Nanosecond: "1 µs",
		8 * time.Microsecond:    "8 µs",
		99499 * time.Nanosecond: "99 µs", 99500 * time.Nanosecond: "0.10 ms", 120 * time.Microsecond: "0.12 ms",
		1234 * time.Microsecond: "1.23 ms", 9994 * time.Microsecond: "9.99 ms", 9996 * time.Microsecond: "10.0 ms",
		99960 * time.Microsecond: "100 ms", 999 * time.Millisecond: "999 ms", 999600 * time.Microsecond: "1.0 s",
		1234 * time.Millisecond: "1.2 s", 59940 * time.Millisecond: "59.9 s", 59960 * time.Millisecond: "1 m 0 s",
		200 * time.Second: "3 m 20 s", time.Hour - time.Second: "59 m 59 s", time.Hour - time.Millisecond: "1 h 0 m",
		2*time.Hour + 5*time.Minute: "2 h 5 m", math.MaxInt64: "2,562,047 h 47 m",
	} {
		if got := Duration(d); got != want {
			t.Errorf("human(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestShares(t *testing.T) {
	for share, want := range map[float64]string{0: "0 %", -1: "0 %", 0.0001: "<0.1 %", 0.013: "1.3 %", 0.5: "50 %",
		0.9996: "100 %", 1: "100 %"} {
		if got := Percent(share); got != want {
			t.Errorf("percent(%g) = %q, want %q", share, got, want)
		}
	}
	for n, want := range map[float64]string{0: "0", -1: "0", 0.001: "<0.01", 0.25: "0.25", 9.999: "10",
		1234.5: "1,235", 1e30: "1e+30"} {
		if got := Estimate(n); got != want {
			t.Errorf("estimate(%g) = %q, want %q", n, got, want)
		}
	}
}

func TestRanges(t *testing.T) {
	for want, numbers := range map[string][]uint16{
		"": nil, "417": {417}, "1-3,443": {1, 2, 3, 443}, "1,3,5-6": {1, 3, 5, 6}, "65534-65535": {65534, 65535},
	} {
		if got := Ranges(numbers); got != want {
			t.Errorf("ranges(%d) = %q, want %q", numbers, got, want)
		}
	}
}
