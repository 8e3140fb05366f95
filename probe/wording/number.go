package wording

import (
	"fmt"
	"strconv"
	"time"
)

// Number writes thousands with commas: 65,536.
func Number[N ~int | ~uint64](n N) string {
	s := strconv.FormatUint(uint64(max(n, 0)), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Count is "1 port" or "65,536 ports".
func Count[N ~int | ~uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// Duration is a duration in two or three digits, and the last of its units: "8" µs,
// "0.12" ms, "12.3" ms, "1.2" s, "3 m 20" s, "2 h 5" m. It is rounded to microseconds first,
// as documents are: a replay prints the same.
func Duration(d time.Duration) (number, unit string) {
	d = d.Round(time.Microsecond)
	ms := float64(d) / float64(time.Millisecond)
	seconds := uint64(d.Round(time.Second) / time.Second)
	switch {
	case d < 100*time.Microsecond:
		return strconv.FormatInt(max(d.Microseconds(), 0), 10), "µs"
	case ms < 9.995:
		return decimals(ms, 2), "ms"
	case ms < 99.95:
		return decimals(ms, 1), "ms"
	case ms < 999.5:
		return decimals(ms, 0), "ms"
	case ms < 59_950:
		return decimals(ms/1000, 1), "s"
	case seconds < 3600:
		return fmt.Sprintf("%d m %d", seconds/60, seconds%60), "s"
	}
	minutes := uint64(d.Round(time.Minute) / time.Minute)
	return fmt.Sprintf("%s h %d", Number(minutes/60), minutes%60), "m"
}

func decimals(f float64, n int) string { return strconv.FormatFloat(f, 'f', n, 64) }
