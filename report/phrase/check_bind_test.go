package phrase

import (
	"strings"
	"testing"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/ports"
)

func TestObstacles(t *testing.T) {
	for _, c := range []struct {
		o     local.Obstacle
		proto probe.Proto
		want  string // a piece of the sentence
	}{
		{local.Obstacle{Kind: local.NeedsPrivilege, Below: 1024}, probe.TCP, "CAP_NET_BIND_SERVICE is needed below 1024"},
		{local.Obstacle{Kind: local.HeldBySocket}, probe.TCP, "has to be closed first"},
		{local.Obstacle{Kind: local.HeldByPeer}, probe.TCP, "does not set SO_REUSEADDR is refused"},
		{local.Obstacle{Kind: local.HeldByPeer}, probe.UDP, "a connected socket uses the number: it has to be closed first"},
		{local.Obstacle{Kind: local.HeldByTimeWait}, probe.TCP, "what remains of a connection"},
		{local.Obstacle{Kind: local.EphemeralPort, Range: ports.Span{First: 32768, Last: 60999}}, probe.TCP,
			"from 32768-60999"},
		{local.Obstacle{Kind: local.NoIPv6}, probe.TCP, "IPv6: not available on this machine: binding [::] fails"},
		{local.Obstacle{Kind: local.NoIPv6Loopback}, probe.TCP, "IPv6: loopback has no ::1: binding [::1] fails"},
	} {
		if got := obstacle(c.o, c.proto); !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q lacks %q", c.o, got, c.want)
		}
	}
}
