package phrase

import (
	"fmt"
	"time"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/wording"
	"onmux/report/record"
)

// EventLine is a socket that began or stopped listening, in one line.
func EventLine(e local.Event) string {
	p := probe.Port{Number: e.Port, Proto: e.Proto}
	if e.Event == local.Stopped {
		return fmt.Sprintf("%s stopped listening: %s on %s", p, holder(e.Listener), boundTo(e.Listener))
	}
	return fmt.Sprintf("%s began to listen: %s on %s, %s", p, holder(e.Listener), boundTo(e.Listener), reachable[e.Reach])
}

// Watched sums up what was watched.
func Watched(w record.Watched, took time.Duration) string {
	return fmt.Sprintf("watched for %s: %s began to listen, %s stopped; %s", Duration(took),
		wording.Number(w.Began), wording.Number(w.Stopped), wording.Count(w.Listening, "socket listens", "sockets listen"))
}

// WatchCoverage is what a watch sees and what it does not.
func WatchCoverage() string {
	return "watched: sockets of this network namespace that listen; one that ends within moments may not be noticed"
}
