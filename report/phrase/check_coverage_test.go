package phrase

import (
	"errors"
	"strings"
	"testing"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/socket"
)

func TestSources(t *testing.T) {
	both := socket.Query{IPv4: true, IPv6: true}
	refused := errors.New("permission denied")
	for _, c := range []struct {
		q    socket.Query
		s    []socket.Source
		want string
	}{
		{both, []socket.Source{{Proto: probe.TCP, From: socket.FromKernel}, {Proto: probe.UDP, From: socket.FromKernel}},
			"TCP and UDP sockets, IPv4 and IPv6, from the kernel (sock_diag)"},
		{socket.Query{IPv4: true}, []socket.Source{{Proto: probe.UDP, From: socket.FromKernel}},
			"UDP sockets, IPv4, from the kernel (sock_diag)\nIPv6 not looked at (-4)"},
		{socket.Query{IPv6: true}, []socket.Source{{Proto: probe.UDP, From: socket.FromKernel}},
			"UDP sockets, IPv6, from the kernel (sock_diag)\nIPv4 not looked at (-6)"},
		{both, []socket.Source{{Proto: probe.TCP, From: socket.FromKernel},
			{Proto: probe.UDP, From: socket.FromProc, Fallback: refused}},
			"TCP sockets, IPv4 and IPv6, from the kernel (sock_diag)\nUDP sockets, IPv4 and IPv6, from /proc/net because " +
				"of: permission denied"},
		{both, []socket.Source{{Proto: probe.TCP, Err: refused}, {Proto: probe.UDP, From: socket.FromProc, Err: refused}},
			"TCP sockets, IPv4 and IPv6: not read: permission denied\nUDP sockets, IPv4 and IPv6, from /proc/net: not " +
				"all read: permission denied"},
	} {
		for i := range c.s {
			c.s[i].IPv4, c.s[i].IPv6 = c.q.IPv4, c.q.IPv6
		}
		if got := strings.Join(sources(Coverage{IPv4: c.q.IPv4, IPv6: c.q.IPv6, Sources: c.s}), "\n"); got != c.want {
			t.Errorf("got\n%s\nwant\n%s", got, c.want)
		}
	}
}
