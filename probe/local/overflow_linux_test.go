package local_test

import (
	"fmt"
	. "onmux/probe/local"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/socket"
	"onmux/probe/nettest"
)

// dial4 starts to connect, which on loopback the listener judges before the call
// returns.
func dial4(port uint16) func(int) error {
	return func(fd int) error {
		err := unix.Connect(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: int(port)})
		if err == unix.EINPROGRESS {
			return nil
		}
		return err
	}
}

// A listener with a full accept queue is reported, and how much it has dropped: a
// limit of 1 lets two connections wait, and each of the other three is dropped at
// least once.
func TestFullAcceptQueue(t *testing.T) {
	nettest.Need(t)
	const dials, waiting = 5, 2
	nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 4601), nettest.Listen(1))
	for range dials {
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, dial4(4601))
	}
	facts := []fact{{port: probe.Port{Number: 4601, Proto: probe.TCP}}}
	r := ask(t, facts, Request{IPv4: true, IPv6: true}, look)
	l := r.Listeners[0]
	if *l.Backlog != (socket.Backlog{Used: waiting, Limit: 1}) || l.Drops < dials-waiting || l.Receive != nil {
		t.Errorf("%+v, %+v", l, l.Backlog)
	}
	want := fmt.Sprintf(", accept queue full (2 of 1), %d attempts to connect dropped "+
		"(in this network namespace since it began: ", l.Drops)
	if why := r.Verdicts[0].Why; !strings.Contains(why, want) || !strings.Contains(why, " by full queues") {
		t.Errorf("%q lacks %q", why, want)
	}
	if v, err := look(t.Context(),
		query{Query: socket.Query{Ports: map[probe.Proto][]uint16{probe.TCP: {4601}}, IPv4: true}}); err != nil ||
		v.Dropped.ByFullQueue < l.Drops {
		t.Errorf("%+v, %v", v.Dropped, err)
	}
}

// A UDP socket counts every datagram that did not fit: what was sent is what can
// be read and what was dropped.
func TestDroppedDatagrams(t *testing.T) {
	nettest.Need(t)
	const sent = 64
	in := nettest.Open(t, unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, nettest.Bind("127.0.0.1", 4602),
		func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) })
	out := nettest.Open(t, unix.AF_INET, unix.SOCK_DGRAM, nettest.Connect(4602))
	for range sent {
		if _, err := unix.Write(out, make([]byte, 512)); err != nil {
			t.Fatal(err)
		}
	}
	facts := []fact{{port: probe.Port{Number: 4602, Proto: probe.UDP}}}
	full := ask(t, facts, Request{IPv4: true, IPv6: true}, look)
	files := ask(t, facts, Request{IPv4: true, IPv6: true}, withoutDiag)
	read := 0
	for b := make([]byte, 1024); ; read++ {
		if _, _, err := unix.Recvfrom(in, b, 0); err != nil {
			break
		}
	}
	l := full.Listeners[0]
	if l.Drops == 0 || l.Drops != uint64(sent-read) || l.Receive == nil || l.Receive.Limit != 8192 ||
		l.Receive.Used < 512 {
		t.Errorf("read %d of %d: %+v, %+v", read, sent, l, l.Receive)
	}
	if other := files.Listeners[0]; other.Drops != l.Drops || other.Receive != nil {
		t.Errorf("/proc/net: %+v", other)
	}
	want := fmt.Sprintf(", reachable from this machine only, %d datagrams dropped", l.Drops)
	for _, r := range []completed{full, files} {
		if why := r.Verdicts[0].Why; !strings.Contains(why, want) {
			t.Errorf("%q lacks %q", why, want)
		}
	}
}
