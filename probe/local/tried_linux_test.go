package local

import (
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/socket"
	"onmux/probe/local/trace"
	"onmux/probe/nettest"
)

// A port that a connection of our own was given is not held by another process.
func TestBindOwnPort(t *testing.T) {
	nettest.Need(t)
	s := nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("127.0.0.1", 0))
	own, err := unix.Getsockname(s.FD)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(own.(*unix.SockaddrInet4).Port)
	v := view{traced: tracing{asked: true, Result: trace.Result{OwnPorts: map[uint16]bool{port: true}}}}
	f := Facts{Port: probe.Port{Number: port, Proto: probe.TCP}}
	if got := v.judge(f, settings{}, socket.Query{IPv4: true}); got.Verdict != Free {
		t.Errorf("%+v", got)
	}
	v.traced.OwnPorts = nil
	if got := v.judge(f, settings{}, socket.Query{IPv4: true}); got.Verdict != Bound || got.Cause != UnseenSocket {
		t.Errorf("%+v", got)
	}
}
