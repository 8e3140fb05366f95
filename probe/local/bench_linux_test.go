package local_test

import (
	"context"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/local/socket"
	"onmux/probe/nettest"
)

// crowd is how many sockets listen while a benchmark asks for one port.
const crowd = 5000

// crowded opens that many listeners, all at other ports than the one asked.
func crowded(b *testing.B) {
	b.Helper()
	nettest.Need(b)
	limit := unix.Rlimit{Cur: crowd + 1000, Max: crowd + 1000}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		b.Skip("cannot open so many sockets: ", err)
	}
	for n := range crowd {
		addr := netip.AddrFrom4([4]byte{127, 0, 1, byte(n % 200)})
		nettest.Open(b, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind(addr.String(), uint16(6000+n)), nettest.Listen(7))
	}
	nettest.Open(b, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 4170), nettest.Listen(7))
}

// One port among many sockets: filtered by the kernel, dumped whole, read from
// /proc/net, and with the owner.
func BenchmarkCheck(b *testing.B) {
	crowded(b)
	one := []fact{{port: probe.Port{Number: 4170, Proto: probe.TCP}}}
	many := one
	for n := uint16(1); len(many) <= socket.ManyPorts; n++ {
		many = append(many, fact{port: probe.Port{Number: n, Proto: probe.TCP}})
	}
	for _, c := range []struct {
		name   string
		facts  []fact
		owners bool
		look   func(context.Context, query) (view, error)
	}{
		{"sock_diag", one, false, look},
		{"sock_diag+owners", one, true, look},
		{"dump", many, false, look},
		{"proc", one, false, withoutDiag},
		{"proc+owners", one, true, withoutDiag},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := ask(b, c.facts, Request{IPv4: true, IPv6: true, Owners: c.owners}, c.look)
				if r.Verdicts[0].Verdict != Listening || (len(r.Listeners[0].Owners) == 1) != c.owners {
					b.Fatalf("%+v", r)
				}
			}
		})
	}
}

// Every port that listens: all of the crowd.
func BenchmarkAllPorts(b *testing.B) {
	crowded(b)
	b.ReportAllocs()
	for b.Loop() {
		r, err := checked(b.Context(), Request{All: []probe.Proto{probe.TCP}, IPv4: true, IPv6: true})
		if err != nil || len(r.Verdicts) != crowd+1 {
			b.Fatal(len(r.Verdicts), err)
		}
	}
}
