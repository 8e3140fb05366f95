package ruleset

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/local/nfexpr"
	"onmux/probe/netlink"
	"onmux/probe/nettest"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// ownAddrs is the addresses of the calling thread's network namespace.
func ownAddrs() []netip.Addr {
	var own []netip.Addr
	nets, _ := net.InterfaceAddrs()
	for _, n := range nets {
		own = append(own, netip.MustParsePrefix(n.String()).Addr().Unmap())
	}
	return own
}

// overIPv4 asks for TCP over IPv4.
func overIPv4() Query { return Query{Protos: []probe.Proto{probe.TCP}, IPv4: true, Own: ownAddrs} }

// An evaluation ends, whatever the rules are, and the result shows that it was cut.
func TestEvaluationIsBounded(t *testing.T) {
	r := newRuleset()
	r.steps = 1 << 12
	for range 40 {
		jump := nfexpr.Expression{Kind: nfexpr.KindVerdict, Verdict: nfexpr.Verdict{Code: nfexpr.Jump, Chain: "a"}}
		r.chains["ip t a"] = append(r.chains["ip t a"], []nfexpr.Expression{jump})
	}
	r.evaluate(
		t.Context(),
		overIPv4(),
		[]chain{{family: unix.NFPROTO_IPV4, table: "t", name: "a", hook: unix.NF_INET_LOCAL_IN}},
	)
	if !r.truncated {
		t.Error("an endless evaluation ended without a word")
	}
	for want, err := range map[Status]error{
		Truncated:    nil,
		Failed:       nfexpr.ErrTooLarge,
		NotPermitted: unix.EPERM,
		Unsupported:  unix.EPROTONOSUPPORT,
		NotOpened:    &netlink.OpenError{Err: unix.EPERM},
	} {
		if got := r.status(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
		if got := (Result{Status: want}); got.Incomplete() != (want != Unsupported) {
			t.Errorf("%q: incomplete %t", want, got.Incomplete())
		}
	}
}
