package job

import (
	"math"
	"runtime/debug"
	"testing"

	"onmux/probe"
	"onmux/report/record"
	"onmux/scan/files"
	"onmux/scan/wire"
)

// TestWatchIsBounded: while a watch runs, the garbage collector keeps its memory within a bound.
func TestWatchIsBounded(t *testing.T) {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		t.Skip("GOMEMLIMIT is set")
	}
	var limit int64
	w := Watch{Config: wire.Config{Ports: []probe.Port{{Number: 417, Proto: probe.TCP}}, IPv4: true},
		Files: []string{"../../testdata/captures/ports.pcap"}, Inputs: &files.Inputs{}}
	end, err := w.Run(t.Context(), func(record.Finding) error {
		limit = debug.SetMemoryLimit(-1)
		return nil
	})
	if err != nil || !end.Complete || limit != memory {
		t.Errorf("%v, %+v, a limit of %d", err, end, limit)
	}
	if debug.SetMemoryLimit(-1) != math.MaxInt64 {
		t.Error("the limit stays")
	}
}
