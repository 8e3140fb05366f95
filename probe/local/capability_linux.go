package local

import (
	"os"
	"strconv"
	"strings"
)

// ownCapabilities is the effective set of the calling thread; 0 if it is not known.
func ownCapabilities() Capabilities {
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if set, ok := strings.CutPrefix(line, "CapEff:"); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(set), 16, 64)
			return Capabilities(n)
		}
	}
	return 0
}
