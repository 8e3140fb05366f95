package probe_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
)

// The ports that the firewall of TestOwnFirewall treats in its ways.
const (
	portOwnDrop   = 2000
	portOwnReset  = 2001
	portOwnReject = 2100 // and the code of an ICMP error
	portPassed    = 2200
)

// ownFirewall adds rules for what the calling thread's namespace sends.
func ownFirewall(family nftables.TableFamily, codes []uint8) error {
	f := nft.New(family)
	out := f.Filter(nftables.ChainHookOutput)
	rule := func(proto byte, port uint16, do []expr.Any) {
		compare := &expr.Cmp{Register: 1, Data: nft.Port(port)}
		f.Rule(out, nft.Proto(proto), nft.LoadPort(), []expr.Any{compare}, do)
	}
	for _, proto := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
		rule(proto, portOwnDrop, nft.Verdict(expr.VerdictDrop, ""))
		for _, code := range codes {
			rule(proto, portOwnReject+uint16(code), nft.Reject(code))
		}
	}
	rule(unix.IPPROTO_TCP, portOwnReset, []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}})
	return f.Flush()
}

// TestOwnFirewall: what a firewall of this machine does to its own packets is no state of the
// target, whose ports are all closed.
func TestOwnFirewall(t *testing.T) {
	t.Parallel()
	t.Run("IPv4", func(t *testing.T) {
		t.Parallel()
		h := nettest.NewReadyHost(t)
		checkOwnFirewall(t, h, h.Self4, nftables.TableFamilyIPv4, 0, 1, 2, 3, 9, 10, 13)
	})
	t.Run("IPv6", func(t *testing.T) {
		t.Parallel()
		h := nettest.NewReadyHost(t)
		checkOwnFirewall(t, h, h.Self6, nftables.TableFamilyIPv6, 0, 1, 3, 4, 5, 6)
	})
}

func checkOwnFirewall(t *testing.T, h *nettest.Host, a netip.Addr, family nftables.TableFamily, codes ...uint8) {
	do(t, h, func() error { return ownFirewall(family, codes) })
	ask := func(proto probe.Proto, port uint16, timeout time.Duration, reason probe.Reason, text string) {
		t.Helper()
		e := probe.Endpoint{Addr: a, Port: port, Proto: proto}
		for _, evidence := range []bool{false, true} {
			var r probe.Result
			do(t, h, func() (err error) {
				r, err = probe.Do(t.Context(), e, probe.Options{Timeout: timeout, Evidence: evidence, Neighbor: true})
				return err
			})
			if r.Reason != reason || !strings.Contains(r.Error, text) || (text != "") != (r.Error != "") {
				t.Errorf("%s: %s %s %q, want %s %q", e, r.State, r.Reason, r.Error, reason, text)
			}
		}
	}
	const local = probe.LocalError
	ask(probe.TCP, portPassed, time.Second, probe.Reset, "")
	ask(probe.UDP, portPassed, time.Second, probe.PortUnreach, "")
	ask(probe.TCP, portOwnReset, time.Second, local, "own firewall rejects connections")
	ask(probe.TCP, portOwnDrop, 1500*time.Millisecond, local, "left this machine")
	ask(probe.TCP, portOwnDrop, 100*time.Millisecond, probe.NoResponse, "") // before the second SYN
	ask(probe.UDP, portOwnDrop, time.Second, local, "a firewall or route of its own")
	for _, code := range codes {
		ask(probe.TCP, portOwnReject+uint16(code), time.Second, local, "own firewall rejects packets")
		ask(probe.UDP, portOwnReject+uint16(code), time.Second, local, "own firewall rejects packets")
	}
}

// TestSilenceThatLeft: a SYN that was sent again and left is silence.
func TestSilenceThatLeft(t *testing.T) {
	t.Parallel()
	h := nettest.NewReadyHost(t)
	h.Rule(t, "inet", nettest.Rule{Proto: "tcp", Port: portDrop, Do: nettest.Drop()})
	for _, a := range []netip.Addr{h.Addr4, h.Addr6} {
		e := probe.Endpoint{Addr: a, Port: portDrop, Proto: probe.TCP}
		r, err := probe.Do(t.Context(), e, probe.Options{Timeout: 1500 * time.Millisecond})
		if err != nil || r.Reason != probe.NoResponse || r.State != probe.Filtered {
			t.Errorf("%s: %s %s %q, %v", e, r.State, r.Reason, r.Error, err)
		}
	}
}
