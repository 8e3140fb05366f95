package probe_test

import (
	"net/netip"
	"testing"
	"time"

	"onmux/probe"
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
