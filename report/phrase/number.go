package phrase

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/wording"
)

// Count is "1 port" or "65,536 ports", in which no line is broken behind the number.
func Count(n uint64, one, many string) string {
	return strings.Replace(wording.Count(n, one, many), " ", NoBreak, 1)
}

// Duration is a duration as people read it: "8 µs", "0.12 ms", "12.3 ms", "1.2 s",
// "3 m 20 s", "2 h 5 m". It is rounded to two or three digits, and first to
// microseconds, as documents are: a replay prints the same.
func Duration(d time.Duration) string {
	number, unit := wording.Duration(d)
	return number + " " + unit
}

// Durations is "min 0.11, avg 1.68, max 12.0 ms": a unit that all have stands once.
func Durations(names []string, all ...probe.Millis) string {
	_, last := wording.Duration(time.Duration(all[len(all)-1]))
	same := !slices.ContainsFunc(all, func(m probe.Millis) bool {
		_, unit := wording.Duration(time.Duration(m))
		return unit != last
	})
	var parts []string
	for i, m := range all {
		number, unit := wording.Duration(time.Duration(m))
		if !same || i == len(all)-1 {
			number += " " + unit
		}
		parts = append(parts, names[i]+NoBreak+strings.ReplaceAll(number, " ", NoBreak))
	}
	return strings.Join(parts, ", ")
}

// Percent is a share: "0 %", "<0.1 %", "1.3 %".
func Percent(share float64) string {
	switch p := share * 100; {
	case p <= 0 || math.IsNaN(p):
		return "0 %"
	case p < 0.1:
		return "<0.1 %"
	default:
		return strconv.FormatFloat(math.Round(p*10)/10, 'f', -1, 64) + " %"
	}
}

// Estimate is an expected number: "0", "<0.01", "0.25", "1,200".
func Estimate(n float64) string {
	switch {
	case n <= 0 || math.IsNaN(n):
		return "0"
	case n < 0.01:
		return "<0.01"
	case n < 10:
		return strconv.FormatFloat(math.Round(n*100)/100, 'f', -1, 64)
	case n < 1<<53:
		return wording.Number(uint64(math.Round(n)))
	}
	return fmt.Sprintf("%.2g", n)
}

// Ranges folds numbers into "400-420, 443": they must ascend.
func Ranges(numbers []uint16) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		part := strconv.Itoa(int(numbers[i]))
		if j > i {
			part += "-" + strconv.Itoa(int(numbers[j]))
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// Exactly is a duration as documents have it, with its unit: "8 µs", "12.345 ms".
func Exactly(m probe.Millis) string {
	if d := time.Duration(m); d.Round(time.Microsecond) < 100*time.Microsecond {
		return Duration(d)
	}
	return Milliseconds(m) + " ms"
}

// Milliseconds is a duration as documents have it.
func Milliseconds(m probe.Millis) string {
	b, _ := m.MarshalJSON()
	return string(b)
}

// Seconds is a duration in seconds, to the microsecond.
func Seconds(m probe.Millis) string {
	return strconv.FormatFloat(time.Duration(m).Round(time.Microsecond).Seconds(), 'f', -1, 64)
}
