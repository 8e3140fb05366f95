package probe_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"onmux/probe"
	"onmux/probe/nettest/nft"
)

// A packet whose TTL ends on the way is reported, with the router.
func TestTimeExceeded(t *testing.T) {
	w := newTestNetwork(t)
	sysctl(t, "ipv4/ip_default_ttl", "1")
	defer sysctl(t, "ipv4/ip_default_ttl", "64")
	sysctl(t, "ipv6/conf/"+w.Device+"/hop_limit", "1")
	for _, tt := range []struct {
		to, router netip.Addr
		icmp       probe.ICMP
	}{{w.far4, w.Addr4, probe.ICMP{Type: 11}}, {w.far6, w.Addr6, probe.ICMP{Type: 3}}} {
		for _, proto := range probe.Protos() {
			e := probe.Endpoint{Addr: tt.to, Port: 417, Proto: proto}
			r, err := probe.Do(t.Context(), e, probe.Options{Timeout: 20 * time.Second, Evidence: true})
			if err != nil || r.State != probe.Unreachable || r.Reason != probe.TimeExceeded || r.ICMP != tt.icmp ||
				r.Responder != tt.router {
				t.Errorf("%s: %s %s %v from %s, %v", e, r.State, r.Reason, r.ICMP, r.Responder, err)
			}
		}
	}
}

// A firewall of this machine is no fact about the endpoint, and where it answers
// for the endpoint the evidence has its address.
func TestOwnFirewall(t *testing.T) {
	w := newTestNetwork(t)
	f := nft.New(nftables.TableFamilyIPv4)
	defer f.Delete()
	out := f.Filter(nftables.ChainHookOutput)
	for port, do := range map[byte][]expr.Any{1: nft.Verdict(expr.VerdictDrop, ""), 2: nft.Reject(3)} {
		f.Rule(out, nft.LoadPort(), []expr.Any{&expr.Cmp{Register: 1, Data: []byte{0, port}}}, do)
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		port      uint16
		proto     probe.Proto
		state     probe.State
		reason    probe.Reason
		responder netip.Addr
		sentence  string
	}{
		{1, probe.TCP, probe.Filtered, probe.NoResponse, netip.Addr{}, "nothing came back"},
		{1, probe.UDP, probe.Unknown, probe.LocalError, netip.Addr{}, "may not send"},
		{2, probe.TCP, probe.Filtered, probe.PortUnreach, w.Self4, "this machine itself"},
		{2, probe.UDP, probe.Filtered, probe.PortUnreach, w.Self4, "this machine itself"},
	} {
		e := probe.Endpoint{Addr: w.Addr4, Port: tt.port, Proto: tt.proto}
		timeout := 20 * time.Second
		if tt.reason == probe.NoResponse {
			timeout = 50 * time.Millisecond
		}
		r, err := probe.Do(t.Context(), e, probe.Options{Timeout: timeout, Evidence: true})
		if err != nil || r.State != tt.state || r.Reason != tt.reason || r.Responder != tt.responder ||
			!strings.Contains(r.Error+strings.Join(r.Evidence, " "), tt.sentence) {
			t.Errorf("%s: %s %s from %v, %q %q, %v", e, r.State, r.Reason, r.Responder, r.Error, r.Evidence, err)
		}
	}
}
