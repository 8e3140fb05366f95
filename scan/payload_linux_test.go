package scan_test

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"testing"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/raw"
	"onmux/scan/scantest"
)

// udpServer counts the datagrams up to the first one that it answers.
type udpServer struct {
	mu    sync.Mutex
	asked int
	first int // the number of the datagram that was answered first; 0 is none
}

// firstAnswered returns that number and starts to count anew.
func (s *udpServer) firstAnswered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.first
	s.asked, s.first = 0, 0
	return n
}

func (s *udpServer) count(answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if answered && s.first == 0 {
		s.first = s.asked
	}
}

// answers serves UDP at an address: f returns the answer to a datagram, and the socket
// to send it by; nil is none.
func answers(t *testing.T, at string, f func(*net.UDPConn, []byte) (*net.UDPConn, []byte)) *udpServer {
	t.Helper()
	s := &udpServer{}
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
	if err != nil {
		t.Fatal(err)
	}
	nettest.Receive(t, c, func(b []byte, from net.Addr) {
		by, answer := f(c, b)
		s.count(answer != nil)
		if answer != nil {
			by.WriteTo(answer, from)
		}
	})
	return s
}

// TestServicesOnAnotherPort: a port of which nothing is known is found open by the
// one question that what serves it can read, with packets and with sockets, and also
// if the answer comes from another port.
func TestServicesOnAnotherPort(t *testing.T) {
	t.Parallel()
	ports := []probe.Port{{Number: 417, Proto: probe.UDP}, {Number: 69, Proto: probe.UDP}}
	for _, method := range []string{"packets", "sockets"} {
		t.Run(method, func(t *testing.T) {
			if !nettest.OwnNamespace(t) {
				return
			}
			snmp := func(by *net.UDPConn, b []byte) (*net.UDPConn, []byte) {
				if bytes.Contains(b, []byte("public")) {
					return by, b
				}
				return nil, nil
			}
			servers := map[string]*udpServer{
				"127.0.4.1:417": answers(t, "127.0.4.1:417", snmp),
				"[::1]:417":     answers(t, "[::1]:417", snmp),
			}
			other, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 4, 2)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { other.Close() })
			tftp := func(_ *net.UDPConn, b []byte) (*net.UDPConn, []byte) {
				if bytes.HasPrefix(b, []byte("\x00\x01")) && bytes.Contains(b, []byte("octet")) {
					return other, []byte("\x00\x05\x00\x01no such file\x00")
				}
				return nil, nil
			}
			servers["127.0.4.2:417"] = answers(t, "127.0.4.2:417", tftp)
			servers["127.0.4.2:69"] = answers(t, "127.0.4.2:69", tftp)
			answers(t, "127.0.4.3:417", func(*net.UDPConn, []byte) (*net.UDPConn, []byte) { return nil, nil })

			plan := scantest.NewPlan(t, ports, "127.0.4.1-3", "::1")
			var e engine.Engine = connect.New(connect.Config{})
			if method == "packets" {
				e = newRaw(t, raw.Config{Targets: plan, Tries: 1 + scan.DefaultRetries})
			}
			s := scantest.Run(t.Context(), scan.Config{Plan: plan, Engine: e, Retries: -1})
			s.RequireComplete(t)
			results := s.Results(t)
			for at, want := range map[string]struct {
				state probe.State
				tries int
			}{
				"127.0.4.1:417": {probe.Open, 5}, "[::1]:417": {probe.Open, 5},
				"127.0.4.2:417": {probe.Open, 10}, "127.0.4.2:69": {probe.Open, 1},
				"127.0.4.3:417": {probe.OpenFiltered, 11}, "127.0.4.3:69": {probe.Closed, 1},
			} {
				a := netip.MustParseAddrPort(at)
				r := results[probe.Endpoint{Addr: a.Addr(), Port: a.Port(), Proto: probe.UDP}]
				// A busy machine sends further probes before it sees the answer, up to all of them.
				late := want.state == probe.Open && r.Tries > want.tries && r.Tries <= 1+scan.DefaultRetries
				if r.State != want.state || r.Tries != want.tries && !late {
					t.Errorf("%s is %v after %d tries, want %v after %d", at, r.State, r.Tries, want.state, want.tries)
				}
				if s := servers[at]; s != nil {
					if n := s.firstAnswered(); n != want.tries {
						t.Errorf("%s answered question %d first, want %d", at, n, want.tries)
					}
				}
			}
			if s.Loss == nil || *s.Loss != 0 {
				t.Errorf("%+v", s.Summary)
			}
		})
	}
}
