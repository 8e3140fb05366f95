package local

import (
	"strings"
	"testing"

	"onmux/probe"
)

func TestObstacles(t *testing.T) {
	low, no, yes := 1024, false, true
	ordinary := settings{lowFrom: &low, privileged: &no, ephemeral: &Span{32768, 60999}, readable: true, reserved: []Span{{40000, 40010}}}
	root := ordinary
	root.privileged = &yes
	for _, c := range []struct {
		name    string
		s       settings
		port    uint16
		word    Word
		remains int
		want    []string // a piece of each sentence
	}{
		{"privileged", ordinary, 417, Free, 0, []string{"CAP_NET_BIND_SERVICE is needed below 1024"}},
		{"root", root, 417, Free, 0, nil},
		{"high", ordinary, 8080, Free, 0, nil},
		{"lowest unprivileged", ordinary, 1024, Free, 0, nil},
		{"ephemeral", ordinary, 50000, Free, 0, []string{"from 32768-60999"}},
		{"reserved", ordinary, 40005, Free, 0, nil},
		{"bound", root, 417, Bound, 0, []string{"has to be closed first"}},
		{"remains", root, 417, Connected, 2, []string{"what remains of a connection"}},
		{"all", ordinary, 417, Bound, 1, []string{"needed below", "closed first", "remains"}},
		{"listening", ordinary, 417, Listening, 1, nil},
		{"unknown", ordinary, 417, Unknown, 0, nil},
		{"nothing known", settings{}, 417, Free, 0, nil},
	} {
		got := c.s.obstacles(probe.Port{Number: c.port, Proto: probe.TCP}, c.word, c.remains)
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
