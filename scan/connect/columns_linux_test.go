package connect

import "testing"

// TestNotTransmitted reads the counters of proc(5) as kernels write them.
func TestNotTransmitted(t *testing.T) {
	const names = "Ip: Forwarding ForwDatagrams OutRequests OutDiscards OutTransmits\n"
	for name, c := range map[string]struct {
		text string
		want uint64
		ok   bool
	}{
		"all left":       {names + "Ip: 2 3 20 0 23\nIcmp: OutRequests\nIcmp: 9\n", 0, true},
		"some dropped":   {names + "Ip: 2 3 20 0 19\n", 4, true},
		"read meanwhile": {names + "Ip: 2 0 20 0 21\n", 0, true},
		"before 6.6":     {"Ip: OutRequests\nIp: 20\n", 0, false},
		"cut off":        {names, 0, false},
		"empty":          {"", 0, false},
	} {
		got, err := notTransmitted(columns([]byte(c.text), "Ip:"), "ForwDatagrams", "OutRequests", "OutTransmits")
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
	const text = "Ip6OutForwDatagrams             \t1\nIp6OutRequests \t12\nIp6OutTransmits \t10\nIp6Bad\n"
	got, err := notTransmitted(pairs([]byte(text)), "Ip6OutForwDatagrams", "Ip6OutRequests", "Ip6OutTransmits")
	if got != 3 || err != nil {
		t.Errorf("IPv6: %d, %v", got, err)
	}
	for _, ipv6 := range []bool{false, true} {
		if _, err := droppedPackets(t.Context(), ipv6); err != nil && err != errNoCounters {
			t.Error(err)
		}
	}
}
