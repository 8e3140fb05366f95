package connect

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strconv"
)

var errNoCounters = errors.New("the kernel does not count what it transmits") // before Linux 6.6

// droppedPackets is how many packets of this network namespace its own firewall has dropped: those
// that were to be sent and were not transmitted. It can be wrong by a few while others send.
func droppedPackets(_ context.Context, ipv6 bool) (uint64, error) {
	if ipv6 {
		b, err := os.ReadFile("/proc/thread-self/net/snmp6")
		if err != nil {
			return 0, err
		}
		return notTransmitted(pairs(b), "Ip6OutForwDatagrams", "Ip6OutRequests", "Ip6OutTransmits")
	}
	b, err := os.ReadFile("/proc/thread-self/net/snmp")
	if err != nil {
		return 0, err
	}
	return notTransmitted(columns(b, "Ip:"), "ForwDatagrams", "OutRequests", "OutTransmits")
}

func notTransmitted(counters map[string]uint64, forwarded, requests, transmits string) (uint64, error) {
	out, ok := counters[transmits]
	in := counters[requests] + counters[forwarded]
	if !ok {
		return 0, errNoCounters
	}
	return max(in, out) - out, nil
}

// pairs reads lines of a name and a number.
func pairs(b []byte) map[string]uint64 {
	all := make(map[string]uint64)
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) == 2 {
			all[string(f[0])], _ = strconv.ParseUint(string(f[1]), 10, 64)
		}
	}
	return all
}

// columns reads a line of names and the line of their numbers below it, which begin alike.
func columns(b []byte, prefix string) map[string]uint64 {
	all := make(map[string]uint64)
	var names [][]byte
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		switch {
		case len(f) == 0 || string(f[0]) != prefix:
		case names == nil:
			names = f
		default:
			for i := 1; i < min(len(f), len(names)); i++ {
				all[string(names[i])], _ = strconv.ParseUint(string(f[i]), 10, 64)
			}
		}
	}
	return all
}
