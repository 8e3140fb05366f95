package local_test

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/nettest"
)

// A connection that the peer has closed and its owner has not, and what remains of one that
// both have closed: from the kernel and from /proc/net.
func TestReleaseOfConnections(t *testing.T) {
	nettest.Need(t)
	again := nettest.Option(unix.SOL_SOCKET, unix.SO_REUSEADDR) // a run before leaves a TIME_WAIT
	listener := nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, again, nettest.Bind("127.0.0.1", 4631), nettest.Listen(7))
	nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, again, nettest.Bind("127.0.0.1", 4632), nettest.Connect(4631))
	far, _, err := unix.Accept(listener.FD)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(far)
	ended := inTimeWait(t)
	facts := []fact{
		{port: probe.Port{Number: 4632, Proto: probe.TCP}},
		{port: probe.Port{Number: ended, Proto: probe.TCP}},
	}
	for name, r := range map[string]completed{
		"kernel":    ask(t, facts, Request{IPv4: true, Owners: true}, look),
		"/proc/net": ask(t, facts, Request{IPv4: true, Owners: true}, withoutDiag),
	} {
		leak, remains := r.Verdicts[0], r.Verdicts[1]
		if leak.Verdict != Connected || !strings.HasPrefix(leak.Release, "close the connections: ") ||
			!strings.HasSuffix(leak.Release, " has not closed 1 of them (CLOSE_WAIT)") ||
			!strings.Contains(leak.Why, "(1 in CLOSE_WAIT, not closed here)") {
			t.Errorf("%s: %q, %q", name, leak.Release, leak.Why)
		}
		if left := remains.Facts.TimeWait; left <= 0 || left > time.Minute || !strings.HasPrefix(remains.Release, "wait ") ||
			!strings.HasSuffix(remains.Release, " s: the connections in TIME_WAIT end by themselves") {
			t.Errorf("%s: %s, %q", name, left, remains.Release)
		}
	}
}
