package local

import (
	"slices"
	"testing"

	"onmux/probe"
	"onmux/probe/local/socket"
	"onmux/probe/ports"
)

func TestObstacles(t *testing.T) {
	low, no, yes := 1024, false, true
	ordinary := settings{Settings: ports.Settings{
		UnprivilegedFrom: &low, Privileged: &no, Ephemeral: &ports.Span{First: 32768, Last: 60999},
		ReservedKnown: true, Reserved: []ports.Span{{First: 40000, Last: 40010}},
	}}
	root, bare := ordinary, ordinary
	root.Privileged = &yes
	bare.Privileged, bare.ipv6 = &yes, NoIPv6Address
	privilege, ephemeral := Obstacle{Kind: NeedsPrivilege, Below: 1024},
		Obstacle{Kind: EphemeralPort, Range: *ordinary.Ephemeral}
	held, peer, remains := Obstacle{Kind: HeldBySocket}, Obstacle{Kind: HeldByPeer}, Obstacle{Kind: HeldByTimeWait}
	const connected, timeWait = socket.Connected, socket.TimeWait
	for _, c := range []struct {
		name   string
		s      settings
		port   uint16
		word   Word
		counts socket.Counts
		want   []Obstacle
	}{
		{"privileged", ordinary, 417, Free, socket.Counts{}, []Obstacle{privilege}},
		{"root", root, 417, Free, socket.Counts{}, nil},
		{"high", ordinary, 8080, Free, socket.Counts{}, nil},
		{"lowest unprivileged", ordinary, 1024, Free, socket.Counts{}, nil},
		{"ephemeral", ordinary, 50000, Free, socket.Counts{}, []Obstacle{ephemeral}},
		{"reserved", ordinary, 40005, Free, socket.Counts{}, nil},
		{"bound", root, 417, Bound, socket.Counts{}, []Obstacle{held}},
		{"remains", root, 417, Connected, socket.Counts{timeWait: 2}, []Obstacle{remains}},
		{"connected", root, 417, Connected, socket.Counts{connected: 3}, []Obstacle{peer}},
		{"connected and ended", root, 417, Connected, socket.Counts{connected: 1, timeWait: 1}, []Obstacle{peer, remains}},
		{"all", ordinary, 417, Bound, socket.Counts{timeWait: 1}, []Obstacle{privilege, held, remains}},
		{"no IPv6", bare, 417, Free, socket.Counts{}, []Obstacle{{Kind: NoIPv6Address}}},
		{"listening", ordinary, 417, Listening, socket.Counts{connected: 1, timeWait: 1}, nil},
		{"unknown", ordinary, 417, Unknown, socket.Counts{}, nil},
		{"nothing known", settings{}, 417, Free, socket.Counts{}, nil},
	} {
		got := c.s.obstacles(probe.Port{Number: c.port, Proto: probe.TCP}, c.word, c.counts)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
