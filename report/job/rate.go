package job

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"onmux/probe/wording"
)

// ParseRate reads the value of a flag that is a rate, in probes a second: 500, 10k, 1M or
// max, which is +Inf; "" is 0, the default.
func ParseRate(flag, s string) (float64, error) {
	switch s {
	case "":
		return 0, nil
	case "max":
		return math.Inf(1), nil
	}
	number, unit := s, 1.0
	for suffix, size := range map[string]float64{"k": 1e3, "K": 1e3, "M": 1e6} {
		if n, ok := strings.CutSuffix(s, suffix); ok {
			number, unit = n, size
		}
	}
	rate, err := strconv.ParseFloat(number, 64)
	if rate *= unit; err != nil || !(rate > 0) || math.IsInf(rate, 0) {
		return 0, &wording.UsageError{
			Err: fmt.Errorf("--%s %s is not a rate", flag, s), Hint: "probes a second, as 500, 10k or 1M, or max",
		}
	}
	return rate, nil
}
