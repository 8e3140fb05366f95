package local

import (
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local/socket"
	"onmux/probe/ports"
)

func TestObstacles(t *testing.T) {
	low, no, yes := 1024, false, true
	ordinary := settings{Settings: ports.Settings{UnprivilegedFrom: &low, Privileged: &no, Ephemeral: &ports.Span{First: 32768, Last: 60999}, ReservedKnown: true, Reserved: []ports.Span{{First: 40000, Last: 40010}}}}
	root := ordinary
	root.Privileged = &yes
	for _, c := range []struct {
		name  string
		s     settings
		port  uint16
		word  Word
		count socket.Counts
		want  []string // a piece of each sentence
	}{
		{"privileged", ordinary, 417, Free, socket.Counts{}, []string{"CAP_NET_BIND_SERVICE is needed below 1024"}},
		{"root", root, 417, Free, socket.Counts{}, nil},
		{"high", ordinary, 8080, Free, socket.Counts{}, nil},
		{"lowest unprivileged", ordinary, 1024, Free, socket.Counts{}, nil},
		{"ephemeral", ordinary, 50000, Free, socket.Counts{}, []string{"from 32768-60999"}},
		{"reserved", ordinary, 40005, Free, socket.Counts{}, nil},
		{"bound", root, 417, Bound, socket.Counts{}, []string{"has to be closed first"}},
		{"remains", root, 417, Connected, socket.Counts{socket.TimeWait: 2}, []string{"what remains of a connection"}},
		{"connected", root, 417, Connected, socket.Counts{socket.Connected: 3}, []string{"does not set SO_REUSEADDR is refused"}},
		{"connected and ended", root, 417, Connected, socket.Counts{socket.Connected: 1, socket.TimeWait: 1}, []string{"a connection uses", "what remains of"}},
		{"all", ordinary, 417, Bound, socket.Counts{socket.TimeWait: 1}, []string{"needed below", "closed first", "remains"}},
		{"listening", ordinary, 417, Listening, socket.Counts{socket.TimeWait: 1}, nil},
		{"unknown", ordinary, 417, Unknown, socket.Counts{}, nil},
		{"nothing known", settings{}, 417, Free, socket.Counts{}, nil},
	} {
		got := c.s.obstacles(probe.Port{Number: c.port, Proto: probe.TCP}, c.word, c.count)
		if len(got) != len(c.want) {
			t.Errorf("%s: %q", c.name, got)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], c.want[i]) {
				t.Errorf("%s: %q lacks %q", c.name, got[i], c.want[i])
			}
		}
	}
}

// What a connection is to a bind, as the kernel has it.
func TestObstacleOfConnection(t *testing.T) {
	live := socket.Counts{socket.Connected: 1}
	if got := (settings{}).obstacles(probe.Port{Number: 417, Proto: probe.UDP}, Connected, live); len(got) != 1 || got[0] != "a connected socket uses the number: it has to be closed first" {
		t.Errorf("%q", got)
	}
	if got := (settings{}).obstacles(probe.Port{Number: 417, Proto: probe.TCP}, Listening, live); got != nil {
		t.Errorf("where something listens: %q", got)
	}
}
