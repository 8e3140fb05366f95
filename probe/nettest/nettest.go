package nettest

import (
	"flag"
	"net/netip"
	"os"
	"syscall"
	"testing"
)

// marker is the variable that has which of the two runs of a test binary this is: the outer one that
// makes the namespace (unset), the inner one ("yes", or "alone" until it has its
// own /proc), or one that goes on without because the kernel refused (the
// reason).
const marker = "ONMUX_TEST_NETNS"

// Tests is a *testing.M, or what wraps one.
type Tests interface{ Run() int }

// wide lets more tests run in parallel than the machine has processors, unless the
// command line sets how many: they wait for networks most of the time.
func wide(m Tests) int {
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	return m.Run()
}

// Exit ends the process of a TestMain. One that only waited for another has no races to
// report, and does not sleep for them.
func Exit(code int) {
	if os.Getenv(marker) == "" {
		syscall.Exit(code)
	}
	os.Exit(code)
}

// Main is Run for a TestMain that does nothing else.
func Main(m *testing.M) { Exit(Run(m)) }

// Need skips the test, visibly, if the kernel refused a network namespace. CI
// counts these skips.
func Need(t testing.TB) {
	t.Helper()
	switch why := os.Getenv(marker); why {
	case "yes":
	case "":
		t.Fatal("nettest.Main was not called from TestMain")
	default:
		t.Skip("no network namespace: " + why)
	}
}

// Host is another machine: a network namespace linked to the test's own by a
// veth pair.
type Host struct {
	Addr4, Addr6 netip.Addr   // the host's
	Self4, Self6 netip.Addr   // the test's own on the link
	Net4, Net6   netip.Prefix // the link's
	Device       string       // the test's end of the link

	calls chan func()
	peer  string
}

// Chain is hosts in a row, the first of which is linked to the test's namespace:
// each forwards packets to the next, and the last is their destination.
type Chain struct {
	Hosts        []*Host
	Hops4, Hops6 []netip.Addr // of each host, the address from which it answers
}

// Rule is a firewall rule of a Host for what arrives at Port.
type Rule struct {
	Proto string // "tcp" or "udp"
	Port  uint16
	Do    Action
}

// Action is what a Rule does to a packet.
type Action struct {
	kind, code uint32
}

// Drop discards the packet without an answer.
func Drop() Action { return Action{kind: actDrop} }

// Reset answers a TCP segment with a RST.
func Reset() Action { return Action{kind: actReset} }

// Unreachable answers with ICMP destination unreachable (type 3; ICMPv6 type
// 1) and this code, in a rule for one family.
func Unreachable(code uint8) Action { return Action{kind: actUnreach, code: uint32(code)} }

// The kinds of Action; their numbers are private to the package.
const (
	actDrop = iota
	actReset
	actUnreach
)
