package scan_test

import (
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
)

// TestAnswersFromAnotherPort has hosts answer a TFTP request from another port, as TFTP
// servers do (RFC 1350, section 4). By packets and by sockets, that is an answer if it
// can be TFTP's, from a port that is asked too or from another.
func TestAnswersFromAnotherPort(t *testing.T) {
	t.Parallel()
	const refusal = "\x00\x05\x00\x01no such file\x00"
	from := func(port uint16, payload string) responder {
		return always(func(q simnet.Query) []byte {
			if q.To.Port() != 69 {
				return closed(q)
			}
			return q.UDP(netip.AddrPortFrom(q.To.Addr(), port), []byte(payload))
		})
	}
	for _, method := range engines {
		t.Run(method.name, func(t *testing.T) {
			if !nettest.OwnNamespace(t) {
				return
			}
			w := newTestNet([]hostCase{
				{name: "TFTP", respond: from(5000, refusal), udp: probe.UDPResponse},
				{name: "TFTP from a port that is asked", respond: from(161, refusal), udp: probe.UDPResponse},
				{name: "no TFTP", respond: from(5000, "here"), udp: none},
				{name: "nothing", respond: from(5000, ""), udp: none},
				{name: "a request of TFTP", respond: from(5000, "\x00\x01a\x00octet\x00"), udp: none},
			}, netip.MustParseAddr("10.92.1.1"), netip.MustParseAddr("fd92::101"))
			serveOnTun(t, w)
			var targets []string
			for a := range w.at {
				targets = append(targets, a.String())
			}
			ports := []probe.Port{{Number: 69, Proto: probe.UDP}, {Number: 161, Proto: probe.UDP}}
			plan := scantest.NewPlan(t, ports, targets...)
			s := scantest.Run(
				t.Context(),
				scan.Config{Plan: plan, Engine: method.make(t, plan), Retries: 1, Timeout: 300 * time.Millisecond, All: true},
			)
			s.RequireComplete(t)
			for e, r := range s.Results(t) {
				want := probe.PortUnreach
				if e.Port == 69 {
					want = w.at[e.Addr].udp
				}
				if r.Reason != want {
					t.Errorf("%s: %v is %v (%v), want %v", w.at[e.Addr].name, e, r.State, r.Reason, want)
				}
			}
		})
	}
}
