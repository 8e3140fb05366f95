package local

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

// What is held elsewhere never stands for what is held here, nor hides that it
// could not be looked.
func TestVerdictElsewhere(t *testing.T) {
	there := func(netns string, state Word, addr, reach string) foreign {
		return foreign{netns, []Listener{{Address: netip.MustParseAddr(addr), Port: 417, State: state, Reach: reach, NetNS: netns, Owners: []owner.Owner{{PID: 5, Name: "web", User: "www"}}}}}
	}
	blue, green := there("blue", Listening, "0.0.0.0", "any"), there("gr\neen", Listening, "127.0.0.1", "loopback")
	here := []Listener{{Address: netip.MustParseAddr("10.0.0.1"), Port: 417, State: Listening, Reach: "private", NetNS: "host"}}
	broken := socket.Source{Err: errors.New("permission denied")}
	for name, c := range map[string]struct {
		f    finding
		want Word
		why  string
	}{
		"one":         {finding{elsewhere: []foreign{blue}}, Elsewhere, "no socket here uses 417/tcp; in network namespace blue: web (pid 5, www) on 0.0.0.0:417, every address of that namespace"},
		"two":         {finding{elsewhere: []foreign{blue, green}}, Elsewhere, `no socket here uses 417/tcp; in network namespace blue: web (pid 5, www) on 0.0.0.0:417, every address of that namespace; in network namespace "gr\neen": web (pid 5, www) on 127.0.0.1:417, reachable from that namespace only`},
		"private":     {finding{elsewhere: []foreign{there("blue", Listening, "10.0.0.2", "private")}}, Elsewhere, "no socket here uses 417/tcp; in network namespace blue: web (pid 5, www) on 10.0.0.2:417"},
		"bound":       {finding{elsewhere: []foreign{there("blue", Bound, "::", "any")}}, Elsewhere, "no socket here uses 417/tcp; in network namespace blue: web (pid 5, www) on [::]:417, not listening"},
		"many":        {finding{elsewhere: slices.Repeat([]foreign{there("blue", Bound, "::", "any")}, 9)}, Elsewhere, "; 6 more network namespaces"},
		"blind":       {finding{source: socket.Source{NoBound: true}, elsewhere: []foreign{blue}}, Elsewhere, "no socket here uses 417/tcp; one that is bound and does not listen cannot be seen; in network namespace blue: "},
		"connections": {finding{count: socket.Counts{socket.Connected: 2}, elsewhere: []foreign{blue}}, Elsewhere, "nothing holds it here; 2 connections use the number; in network namespace blue: "},
		"here too":    {finding{count: socket.Counts{socket.Listening: 1}, listeners: here, elsewhere: []foreign{blue, green}}, Listening, `a socket on 10.0.0.1:417, reachable from private networks; also in 2 other network namespaces (blue, "gr\neen")`},
		"unknown":     {finding{source: broken, elsewhere: []foreign{blue}}, Unknown, "could not look; held in 1 other network namespace (blue)"},
		"uncertain":   {finding{source: broken, count: socket.Counts{socket.Connected: 1}, elsewhere: []foreign{blue}}, Connected, "nothing listens; 1 connection uses the number; also in 1 other network namespace (blue)"},
		"missed":      {finding{missed: true}, Free, "no socket here uses 417/tcp; not every other network namespace could be looked at"},
	} {
		c.f.port, c.f.where = probe.Port{Number: 417, Proto: probe.TCP}, "here"
		v := c.f.verdict()
		if v.Verdict != c.want || v.Why != c.why && !(strings.HasPrefix(c.why, ";") && strings.HasSuffix(v.Why, c.why)) && !(strings.HasSuffix(c.why, ": ") && strings.HasPrefix(v.Why, c.why)) {
			t.Errorf("%s: %+v, want %s: %s", name, v, c.want, c.why)
		}
	}
}
