package local_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
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
		v.Overflows < l.Drops {
		t.Errorf("%d, %v", v.Overflows, err)
	}
}

// Half-open connections that the peer gives up are counted by the kernel with what a
// socket drops; without a full queue they are no loss.
func TestResetAttempts(t *testing.T) {
	nettest.Need(t)
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 4603), nettest.Listen(7))
		raw, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		if err != nil {
			return err
		}
		defer unix.Close(raw)
		for range 3 { // the kernel answers the SYN-ACK, of which it knows nothing, by a reset
			if err := unix.Sendto(raw, loopbackSYN(40603, 4603), 0,
				&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
				return err
			}
		}
		r := ask(t, []fact{{port: probe.Port{Number: 4603, Proto: probe.TCP}}}, Request{IPv4: true}, look)
		if l := r.Listeners[0]; l.Drops != 0 || strings.Contains(r.Verdicts[0].Why, "dropped") {
			t.Errorf("%+v, %q", l, r.Verdicts[0].Why)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// loopbackSYN is a TCP segment (RFC 9293, section 3.1) from 127.0.0.1 to itself.
func loopbackSYN(from, to uint16) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b, from)
	binary.BigEndian.PutUint16(b[2:], to)
	b[12], b[13] = 5<<4, 2 // 5 words; SYN
	binary.BigEndian.PutUint16(b[14:], 1024)
	sum := uint32(2*0x7f00 + 2*0x0001 + unix.IPPROTO_TCP + len(b)) // the pseudo-header
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(b[16:], ^uint16(sum+sum>>16))
	return b
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
		if _, err := unix.Write(out.FD, make([]byte, 512)); err != nil {
			t.Fatal(err)
		}
	}
	facts := []fact{{port: probe.Port{Number: 4602, Proto: probe.UDP}}}
	full := ask(t, facts, Request{IPv4: true, IPv6: true}, look)
	files := ask(t, facts, Request{IPv4: true, IPv6: true}, withoutDiag)
	read := 0
	for b := make([]byte, 1024); ; read++ {
		if _, _, err := unix.Recvfrom(in.FD, b, 0); err != nil {
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
