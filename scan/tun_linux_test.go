package scan_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/raw"
	"onmux/scan/target"
)

// serve answers the packets of a TUN device until it is closed.
func serve(w *testNet, device *os.File) {
	c := newDelayLine(func(b []byte) { _, _ = device.Write(b) })
	defer c.stop()
	buf := make([]byte, 65536)
	for {
		n, err := device.Read(buf)
		if err != nil {
			return
		}
		c.take(w.answer(buf[:n]))
	}
}

// serveOnTun puts hosts behind a device that has no Ethernet, until the test ends.
func serveOnTun(t *testing.T, w *testNet) {
	t.Helper()
	device, err := tun("tuntruth", "10.92.0.1/16", "fd92::ff:1/64")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		t.Skip("no TUN devices:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var pumping sync.WaitGroup
	pumping.Go(func() { serve(w, device) })
	t.Cleanup(func() {
		_ = device.SetReadDeadline(time.Unix(1, 0)) // ends the read
		pumping.Wait()
		device.Close()
	})
}

// engines are those that there are a kernel and a device for.
var engines = []struct {
	name    string
	sockets bool
	make    func(testing.TB, *target.Plan) engine.Engine
}{
	{"packets", false, func(t testing.TB, p *target.Plan) engine.Engine { return newRaw(t, raw.Config{Targets: p}) }},
	{"sockets", true, func(testing.TB, *target.Plan) engine.Engine { return connect.New(connect.Config{}) }},
}

// TestTruthOverTun checks the engine over packets, and the one over sockets,
// against hosts behind a device that has no Ethernet.
func TestTruthOverTun(t *testing.T) {
	t.Parallel()
	for _, method := range engines {
		t.Run(method.name, func(t *testing.T) {
			if !nettest.OwnNamespace(t) {
				return
			}
			w := newTestNet(hostCases(), netip.MustParseAddr("10.92.1.1"), netip.MustParseAddr("fd92::101"))
			serveOnTun(t, w)
			for _, p := range probe.Protos() {
				w.check(t, p, func(p *target.Plan) engine.Engine { return method.make(t, p) }, method.sockets)
			}
		})
	}
}

// TestTruthOverEthernet has the same hosts answer with frames, behind a next hop.
func TestTruthOverEthernet(t *testing.T) {
	if !nettest.OwnNamespace(t) {
		return
	}
	h := nettest.NewReadyHost(t)
	// The host's kernel must send nothing of its own.
	h.Setup(
		t,
		sysctl("ipv4/ip_forward", "0"),
		sysctl("ipv6/conf/all/forwarding", "0"),
		route("fd93::/64", "", unix.RTN_BLACKHOLE, netip.Addr{}),
	)
	for _, step := range []func() error{route("10.93.0.0/16", h.Device, 0, h.Addr4), route("fd93::/64", h.Device, 0,
		h.Addr6)} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	var fd int
	h.Setup(t, func() (err error) { fd, err = frames("vh" + strings.TrimPrefix(h.Device, "vt")); return err })
	w := newTestNet(hostCases(), netip.MustParseAddr("10.93.1.1"), netip.MustParseAddr("fd93::101"))
	peer := os.NewFile(uintptr(fd), "frames")
	var pumping sync.WaitGroup
	pumping.Go(func() {
		buf := make([]byte, 65536)
		for {
			n, err := peer.Read(buf)
			if err != nil {
				return
			}
			if n < 14 {
				continue
			}
			for _, p := range w.answer(buf[14:n]) {
				for _, b := range p.packets {
					_, _ = peer.Write(framed(buf[:12], b))
				}
			}
		}
	})
	defer func() { peer.Close(); pumping.Wait() }()
	for _, p := range probe.Protos() {
		w.check(t, p, func(p *target.Plan) engine.Engine { return newRaw(t, raw.Config{Targets: p}) }, false)
	}
}

// frames opens a device of the namespace that it is called in, for whole frames.
func frames(name string) (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	l, err := netlink.LinkByName(name)
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	// What this process sends itself is not received.
	return fd, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: l.Attrs().Index})
}
