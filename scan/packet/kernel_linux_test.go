package packet

import (
	"crypto/rand"
	"io"
	"net"
	"net/netip"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// A real kernel answers these packets, its answers pass the filter in our
// kernel, and they are read as what they are.
func TestKernelAnswers(t *testing.T) {
	nettest.Need(t)
	h := nettest.NewHost(t)
	serve(t, h)
	h.Rule(t, "ip", nettest.Rule{Proto: "tcp", Port: 419, Do: nettest.Unreachable(13)})
	h.Rule(t, "ip6", nettest.Rule{Proto: "tcp", Port: 419, Do: nettest.Unreachable(1)})
	for _, c := range []struct{ self, peer netip.Addr }{{h.Self4, h.Addr4}, {h.Self6, h.Addr6}} {
		l := listen(t, h.Device, c.self)
		to := l.resolve(c.peer)
		for _, want := range []struct {
			port   uint16
			proto  probe.Proto
			kind   Kind
			state  probe.State
			reason probe.Reason
		}{
			{417, probe.TCP, KindTCP, probe.Open, probe.SynAck},
			{418, probe.TCP, KindTCP, probe.Closed, probe.Reset},
			{419, probe.TCP, KindICMP, probe.Filtered, probe.AdminProhibited},
			{417, probe.UDP, KindUDP, probe.Open, probe.UDPResponse},
			{418, probe.UDP, KindICMP, probe.Closed, probe.PortUnreach},
		} {
			e := probe.Endpoint{Addr: c.peer, Port: want.port, Proto: want.proto}
			const try, clock = 2, 0x12345678
			buf := make([]byte, l.b.MaxLen())
			r := l.ask(buf[:l.b.Put(buf, e, try, to, clock)], func(r *Reply) bool { return r.Endpoint == e })
			if r.Kind != want.kind || r.State != want.state || r.Reason != want.reason || r.Try != try || r.From != c.peer ||
				r.Src != c.self ||
				r.TTL != 64 ||
				r.MAC != to {
				t.Errorf("%s: %+v, want %+v", e, r, want)
			}
			if want.kind != KindUDP && !r.Sure {
				t.Errorf("%s: not sure of %+v", e, r)
			}
			if want.reason == probe.SynAck &&
				(r.Echo != clock || r.Options != OptMSS|OptSACK|OptTimestamps|OptWindowScale || r.Window == 0) {
				t.Errorf("%s: %+v", e, r)
			}
			if want.kind == KindUDP && string(r.Payload) != "yes" {
				t.Errorf("%s: %q", e, r.Payload)
			}
		}
	}
}

// serve listens on the host's port 417, both protocols and families.
func serve(t *testing.T, h *nettest.Host) {
	t.Helper()
	err := h.Do(func() error {
		l, err := net.Listen("tcp", ":417")
		if err != nil {
			return err
		}
		t.Cleanup(func() { l.Close() })
		u, err := net.ListenPacket("udp", ":417")
		if err != nil {
			return err
		}
		nettest.Receive(t, u, func(_ []byte, from net.Addr) { u.WriteTo([]byte("yes"), from) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// line is a packet socket on our end of a link.
type line struct {
	t    *testing.T
	fd   int
	path Path
	b    *Builder
	d    *Decoder
}

func listen(t *testing.T, device string, self netip.Addr) *line {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dev, err := net.InterfaceByName(device)
	must(err)
	var key [16]byte
	_, _ = io.ReadFull(rand.Reader, key[:])
	c, err := NewCookies(key, testTCP, testUDP)
	must(err)
	ports := []probe.Port{
		{Number: 417, Proto: probe.TCP},
		{Number: 418, Proto: probe.TCP},
		{Number: 419, Proto: probe.TCP},
		{Number: 417, Proto: probe.UDP},
		{Number: 418, Proto: probe.UDP},
	}
	l := &line{t: t, path: Path{MAC: MAC(dev.HardwareAddr), Src: self, MTU: dev.MTU}, d: NewDecoder(Ethernet, c, ports)}
	l.b, err = NewBuilder(l.path, c, ports)
	must(err)
	code, err := Filter(Ethernet, c)
	must(err)
	raw := make([]unix.SockFilter, len(code))
	for i, o := range code {
		raw[i] = unix.SockFilter{Code: o.Op, Jt: o.Jt, Jf: o.Jf, K: o.K}
	}
	l.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	must(err)
	t.Cleanup(func() { unix.Close(l.fd) })
	must(
		unix.SetsockoptSockFprog(
			l.fd,
			unix.SOL_SOCKET,
			unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(raw)), Filter: unsafe.SliceData(raw)},
		),
	)
	must(unix.SetsockoptTimeval(l.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 250_000}))
	all := uint16(unix.ETH_P_ALL)
	must(unix.Bind(l.fd, &unix.SockaddrLinklayer{Protocol: all<<8 | all>>8, Ifindex: dev.Index}))
	return l
}

// ask sends a frame until the reply that is wanted comes: an address of IPv6 is
// known to its own kernel only some time after it was set.
func (l *line) ask(frame []byte, wanted func(*Reply) bool) Reply {
	l.t.Helper()
	buf := make([]byte, 65536)
	for range 40 {
		if n, err := unix.Write(l.fd, frame); err != nil || n == 0 {
			l.t.Fatalf("%d bytes sent: %v", n, err)
		}
		for {
			n, err := unix.Read(l.fd, buf)
			if err == unix.EAGAIN {
				break
			}
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				l.t.Fatal(err)
			}
			var r Reply
			if l.d.Decode(buf[:n], true, &r) == Valid && wanted(&r) { // what our kernel sends passes here too
				return r
			}
		}
	}
	l.t.Fatalf("no answer to % x", frame)
	return Reply{}
}

func (l *line) resolve(peer netip.Addr) MAC {
	l.t.Helper()
	buf := make([]byte, MaxNeighbor)
	frame := buf[:PutSolicit(buf, l.path, peer)]
	return l.ask(frame, func(r *Reply) bool { return r.Kind == KindNeighbor && r.From == peer }).MAC
}
