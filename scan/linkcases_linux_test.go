package scan_test

import (
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/scantest"
	"onmux/scan/target"
)

// TestTruthOnLink asks neighbors that are found, and that are not, in many ways.
func TestTruthOnLink(t *testing.T) {
	t.Parallel()
	for _, method := range engines {
		t.Run(method.name, func(t *testing.T) {
			if !nettest.OwnNamespace(t) {
				return
			}
			h := nettest.NewReadyHost(t)
			nettest.Setup(t, address(h.Device, "10.99.0.250/24"), address(h.Device, "fd99::ff/64"))
			for _, family := range []string{"ipv4", "ipv6"} { // the kernel's second question within a probe's time
				dir := family + "/neigh/" + h.Device
				nettest.Setup(t, nettest.Sysctl(dir+"/retrans_time_ms", "100"), nettest.Sysctl(dir+"/mcast_solicit", "30"))
			}
			var fd int
			h.Setup(t, func() (err error) { fd, err = frames(h.PeerDevice()); return err })
			s := newLinkNet(netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("fd99::1"))
			peer := os.NewFile(uintptr(fd), "frames")
			var pumping sync.WaitGroup
			pumping.Go(func() { s.serve(peer) })
			t.Cleanup(func() { peer.Close(); pumping.Wait() })
			for _, p := range probe.Protos() {
				t.Run(p.String(), func(t *testing.T) {
					s.check(t, p, func(p *target.Plan) engine.Engine { return method.make(t, p) }, method.sockets)
				})
			}
		})
	}
}

// serve answers frames until there are no more.
func (s *linkNet) serve(peer *os.File) {
	c := newDelayLine(func(b []byte) { _, _ = peer.Write(b) })
	defer c.stop()
	buf := make([]byte, 65536)
	for {
		n, err := peer.Read(buf)
		if err != nil {
			return
		}
		c.take(s.answer(buf[:n]))
	}
}

// check asks all of them for a port and compares the results with the truth table.
func (s *linkNet) check(t *testing.T, p probe.Proto, make func(*target.Plan) engine.Engine, sockets bool) {
	var targets []string
	for a, f := range s.on {
		if !sockets || !f.packets {
			targets = append(targets, a.String())
		}
	}
	s.mu.Lock()
	clear(s.solicited)
	s.wrong = nil
	s.mu.Unlock()
	plan := scantest.NewPlan(t, []probe.Port{{Number: 417, Proto: p}}, targets...)
	results := scantest.Run(
		t.Context(),
		scan.Config{Plan: plan, Engine: make(plan), Retries: 1, Timeout: 400 * time.Millisecond, All: true},
	)
	results.RequireComplete(t)
	for e, r := range results.Results(t) {
		f := s.on[e.Addr]
		want := reason(f.hostCase, p, false)
		if r.Reason != want || r.State != probe.Verdict(p, want, true) {
			t.Errorf("%s: %v is reported as %v (%v) %s, want %v", f.name, e, r.State, r.Reason, r.Error, want)
		}
		if f.tries != anyTries && !sockets && r.Tries < max(f.tries, 1) { // more, if the machine is busy
			t.Errorf("%s: %v took %d tries, want %d", f.name, e, r.Tries, max(f.tries, 1))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.wrong {
		t.Errorf("a probe went to the wrong MAC: %s", w)
	}
}
