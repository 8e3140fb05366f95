package decoy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/decoy"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
	"onmux/report/phrase/evidence"
)

// serveTCP serves in a host until the test ends; every connection has a
// goroutine of its own.
func serveTCP(t testing.TB, h *nettest.Host, port int, serve func(*net.TCPConn)) {
	var l net.Listener
	do(t, h, func() (err error) { l, err = net.Listen("tcp", fmt.Sprintf(":%d", port)); return })
	nettest.Accept(t, l, func(c net.Conn) { serve(c.(*net.TCPConn)) })
}

func discard(c *net.TCPConn) { io.Copy(io.Discard, c) }

func do(t testing.TB, h *nettest.Host, f func() error) {
	t.Helper()
	if err := h.Do(f); err != nil {
		t.Fatal(err)
	}
}

// tcpRule is a rule for what comes to (offset 2) or from (offset 0) a TCP port.
func tcpRule(hook *nftables.ChainHook, offset uint32, port uint16, exprs ...expr.Any) error {
	f := nft.New(nftables.TableFamilyIPv4)
	var match []expr.Any
	if port != 0 {
		match = []expr.Any{
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
			&expr.Cmp{Register: 1, Data: nft.Port(port)},
		}
	}
	f.Rule(f.Filter(hook), nft.Proto(unix.IPPROTO_TCP), match, exprs)
	return f.Flush()
}

// closeWindow sets the window of every segment from a port to zero.
func closeWindow(port uint16) error {
	return tcpRule(nftables.ChainHookOutput, 0, port,
		&expr.Immediate{Register: 1, Data: []byte{0, 0}},
		&expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: 1, Base: expr.PayloadBaseTransportHeader,
			Offset: 14, Len: 2, CsumType: expr.CsumTypeInet, CsumOffset: 16})
}

// loseData drops segments of two bytes of data to a port: 20 bytes of IPv4, 32
// of TCP with timestamps.
func loseData(port uint16) error {
	return tcpRule(nftables.ChainHookInput, 2, port,
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{0, 54}}, &expr.Verdict{Kind: expr.VerdictDrop})
}

func TestObserve(t *testing.T) {
	t.Parallel()
	h := nettest.NewHost(t)
	servers := []struct {
		want       probe.Behavior
		confidence probe.Confidence
		serve      func(*net.TCPConn)
		rule       func(uint16) error
	}{
		{want: probe.SendsData, confidence: probe.High,
			serve: func(c *net.TCPConn) { io.WriteString(c, "220 hello\r\n"); discard(c) }},
		{want: probe.SendsData, confidence: probe.High,
			serve: func(c *net.TCPConn) { bufio.NewReader(c).ReadString('\n'); io.WriteString(c, "500 what?\r\n") }},
		{want: probe.StaysSilent, confidence: probe.High, serve: discard},
		{want: probe.ResetsAtOnce, confidence: probe.Medium, serve: func(c *net.TCPConn) { c.SetLinger(0) }},
		{want: probe.ClosesAtOnce, confidence: probe.Medium, serve: func(*net.TCPConn) {}},
		{want: probe.ResetsOnData, confidence: probe.Medium,
			serve: func(c *net.TCPConn) { c.Read(make([]byte, 1)); c.SetLinger(0) }},
		{want: probe.ClosesOnData, confidence: probe.High, serve: func(c *net.TCPConn) { io.ReadFull(c, make([]byte, 2)) }},
		{want: probe.ZeroWindow, confidence: probe.Low, serve: discard, rule: closeWindow},
		{want: probe.NeverAcknowledges, confidence: probe.Low, serve: discard, rule: loseData},
	}
	for i, s := range servers {
		port := uint16(1000 + i)
		serveTCP(t, h, int(port), s.serve)
		if s.rule != nil {
			do(t, h, func() error { return s.rule(port) })
		}
		t.Run(fmt.Sprintf("%d %s", port, s.want), func(t *testing.T) {
			t.Parallel()
			e := probe.Endpoint{Addr: h.Addr4, Port: port, Proto: probe.TCP}
			got, err := decoy.Verify(t.Context(), e, decoy.Options{Timeout: 20 * time.Second})
			if err != nil || got.Behavior != s.want || got.Everywhere || got.Answered != 0 || got.Controls != 4 {
				t.Errorf("%+v, %v", got, err)
			}
			r := probe.Result{Endpoint: e, State: probe.Open, Confidence: probe.High}
			got.ApplyTo(&r)
			if r.Confidence != s.confidence || (s.confidence == probe.High) != (len(r.Doubts) == 0) ||
				len(r.Doubts)+len(evidence.Sentences(&r)) != 1 || *r.Openness != got {
				t.Errorf("%s confidence, doubts %v, evidence %q", r.Confidence, r.Doubts, evidence.Sentences(&r))
			}
		})
	}
}

// Nothing hangs on a server that is slow to answer, and none that is late is
// reported as silent.
func TestObserveIsBounded(t *testing.T) {
	t.Parallel()
	h := nettest.NewHost(t)
	serveTCP(t, h, 417, discard)
	e := probe.Endpoint{Addr: h.Addr4, Port: 417, Proto: probe.TCP}
	// the link is up now
	if r, err := probe.Do(t.Context(), e, probe.Options{Timeout: 20 * time.Second}); err != nil || r.State != probe.Open {
		t.Fatal(r.State, err)
	}
	// Time enough for a connection on a machine that is busy; then it is silent for the rest.
	got, err := decoy.Verify(t.Context(), e, decoy.Options{Timeout: 3 * time.Second})
	if err != nil || got.Behavior != probe.StaysSilent {
		t.Errorf("%+v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := decoy.Verify(ctx, e, decoy.Options{Timeout: 20 * time.Second}); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := decoy.Verify(t.Context(), e, decoy.Options{}); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Error(err)
	}
}

// On a host that answers on every port, an answer on one is not evidence of a service.
func TestAnswersEverywhere(t *testing.T) {
	t.Parallel()
	h := nettest.NewHost(t)
	serveTCP(t, h, 417, func(c *net.TCPConn) { io.WriteString(c, "hello") })
	serveTCP(t, h, 20001, discard)
	e := probe.Endpoint{Addr: h.Addr4, Port: 417, Proto: probe.TCP}
	verify := func(controls ...uint16) (probe.Openness, probe.Result) {
		t.Helper()
		v, err := decoy.Verify(t.Context(), e, decoy.Options{Timeout: 20 * time.Second, Controls: controls})
		if err != nil {
			t.Fatal(err)
		}
		r := probe.Result{Endpoint: e, State: probe.Open, Confidence: probe.High}
		v.ApplyTo(&r)
		return v, r
	}
	v, r := verify(20001, 20002, 20003)
	if v.Everywhere || v.Answered != 1 || v.Controls != 3 || r.Confidence != probe.Medium ||
		r.Doubts[0].Kind != probe.DoubtOthersOpen {
		t.Errorf("%+v, %s, %v", v, r.Confidence, r.Doubts)
	}
	if v, _ := verify(20001); v.Everywhere {
		t.Errorf("one control is enough: %+v", v)
	}
	h.Redirect(t, 417)
	v, r = verify()
	if !v.Everywhere || v.Answered != 4 || v.Controls != 4 || r.State != probe.Open || r.Confidence != probe.Low ||
		r.Doubts[0].Kind != probe.DoubtEverywhere {
		t.Errorf("%+v, %s, %v", v, r.Confidence, r.Doubts)
	}
}

// UDP has no connection to observe, but other ports.
func TestAnswersEverywhereUDP(t *testing.T) {
	t.Parallel()
	h := nettest.NewHost(t)
	controls := []uint16{20001, 20002, 20003}
	for i, port := range append(controls, 417) {
		var c net.PacketConn
		do(t, h, func() (err error) { c, err = net.ListenPacket("udp", fmt.Sprintf(":%d", port)); return })
		nettest.Receive(t, c, func(_ []byte, from net.Addr) { c.WriteTo([]byte{byte(i)}, from) })
	}
	e := probe.Endpoint{Addr: h.Addr4, Port: 417, Proto: probe.UDP}
	v, err := decoy.Verify(t.Context(), e, decoy.Options{Timeout: 20 * time.Second, Controls: controls})
	if err != nil || !v.Everywhere || v.Behavior != "" {
		t.Errorf("%+v, %v", v, err)
	}
}
