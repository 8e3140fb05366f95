package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// grouped writes thousands apart: 65,536.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// counted is "1 endpoint" or "512 endpoints".
func counted(n uint64, what string) string {
	if n != 1 {
		what += "s"
	}
	return grouped(n) + " " + what
}

// duration is for people: "0.04 ms", "12 ms", "1.2 s", "3 m 20 s", "2 h 5 m".
func duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.2f ms", max(float64(d)/1e6, 0.01))
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d m %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d m", int(d.Hours()), int(d.Minutes())%60)
}

// percent writes a share with no more digits than it has: "0 %", "0.03 %",
// "12 %".
func percent(share float64) string {
	s := strconv.FormatFloat(share*100, 'f', 2, 64)
	if share >= 0.1 {
		s = strconv.FormatFloat(share*100, 'f', 0, 64)
	}
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s + " %"
}

// decimal writes an expected number: "0", "0.4", "12".
func decimal(f float64) string {
	if f < 0.05 {
		return "0"
	}
	if f < 10 {
		return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0")
	}
	return grouped(uint64(f + 0.5))
}
