package probe_test

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
	"onmux/report/phrase/evidence"
)

// The route of the probe is known of every answer, and of silence.
func TestRoute(t *testing.T) {
	t.Parallel()
	c := nettest.NewChain(t, 2)
	near, far := c.Hosts[0], c.Hosts[1]
	for _, h := range c.Hosts {
		for _, proto := range []string{"tcp", "udp"} {
			h.Rule(t, "inet", nettest.Rule{Proto: proto, Port: 420, Do: nettest.Drop()})
		}
	}
	for _, tt := range []struct {
		to   netip.Addr
		want probe.Route
	}{
		{near.Addr4, probe.Route{Source: near.Self4, Interface: near.Device}},
		{near.Addr6, probe.Route{Source: near.Self6, Interface: near.Device}},
		{c.Hops4[1], probe.Route{Source: near.Self4, Interface: near.Device, Gateway: near.Addr4}},
		{c.Hops6[1], probe.Route{Source: near.Self6, Interface: near.Device, Gateway: near.Addr6}},
		{far.Self4, probe.Route{Source: far.Self4, Interface: "lo"}},
		{netip.MustParseAddr("127.0.0.1"), probe.Route{Source: netip.MustParseAddr("127.0.0.1"), Interface: "lo"}},
		{netip.IPv6Loopback(), probe.Route{Source: netip.IPv6Loopback(), Interface: "lo"}},
	} {
		for _, port := range []uint16{418, 420} {
			for _, proto := range probe.Protos() {
				e := probe.Endpoint{Addr: tt.to, Port: port, Proto: proto}
				timeout := 20 * time.Second
				if port == 420 && tt.want.Interface != "lo" {
					timeout = 50 * time.Millisecond
				}
				r, err := probe.Do(t.Context(), e, probe.Options{Timeout: timeout, Evidence: true})
				if err != nil || r.Route == nil || *r.Route != tt.want {
					t.Errorf("%s: %s %+v, %v; want %+v", e, r.State, r.Route, err, tt.want)
					continue
				}
				sentences := evidence.Sentences(&r)
				last := sentences[len(sentences)-1]
				if !strings.HasPrefix(last, "probed from "+netip.AddrPortFrom(tt.want.Source,
					0).String()[:len(netip.AddrPortFrom(tt.want.Source, 0).String())-1]) ||
					!strings.Contains(last, " on "+tt.want.Interface) ||
					strings.Contains(last, "gateway") != tt.want.Gateway.IsValid() {
					t.Errorf("%s: %q", e, last)
				}
			}
		}
	}
}

// A packet that no neighbor has taken yet has not been filtered.
func TestSilenceOfNobody(t *testing.T) {
	t.Parallel()
	h := nettest.NewHost(t)
	for name, a := range map[string]string{"10.77.0.0/24": "10.41.%.9", "fd77::/64": "fd41:%::9"} {
		n := strings.Split(h.Addr4.String(), ".")[2]
		if strings.Contains(name, ":") {
			n = strings.Split(h.Addr6.String(), ":")[1]
		}
		gone := netip.MustParseAddr(strings.Replace(a, "%", n, 1))
		route(t, name, gone)
		behind := netip.MustParsePrefix(name).Addr().Next()
		for e, want := range map[probe.Endpoint]string{
			{Addr: gone, Port: 417, Proto: probe.TCP}:   "no neighbor answers for " + gone.String() + " on " + h.Device,
			{Addr: gone, Port: 417, Proto: probe.UDP}:   "no neighbor answers for " + gone.String() + " on " + h.Device,
			{Addr: behind, Port: 417, Proto: probe.TCP}: "the gateway " + gone.String() + " does not answer on " + h.Device,
			{Addr: behind, Port: 417, Proto: probe.UDP}: "the gateway " + gone.String() + " does not answer on " + h.Device,
		} {
			// The kernel sends three requests, a second apart.
			r, err := probe.Do(t.Context(), e, probe.Options{Timeout: 100 * time.Millisecond, Evidence: true})
			if err != nil || r.State != probe.Unreachable || r.Reason != probe.NoNeighbor ||
				!strings.Contains(evidence.Sentences(&r)[0], want) || r.RTT != 0 {
				t.Errorf("%s: %s %s %+v, %v; want %q", e, r.State, r.Reason, r.Facts, err, want)
			}
		}
	}
	// A neighbor that answered before it became silent is different.
	h.Rule(t, "inet", nettest.Rule{Proto: "tcp", Port: 420, Do: nettest.Drop()})
	e := probe.Endpoint{Addr: h.Addr4, Port: 420, Proto: probe.TCP}
	probe.Do(t.Context(), probe.Endpoint{Addr: h.Addr4, Port: 9, Proto: probe.TCP},
		probe.Options{Timeout: 20 * time.Second})
	if r, err := probe.Do(t.Context(), e, probe.Options{Timeout: 50 * time.Millisecond, Evidence: true}); err != nil ||
		r.Reason != probe.NoResponse {
		t.Errorf("%s: %s %+v, %v", e, r.Reason, r.Facts, err)
	}
}

// A first SYN that is lost is not a fast answer.
func TestHandshake(t *testing.T) {
	t.Parallel()
	h := nettest.NewHost(t)
	var l net.Listener
	do(t, h, func() (err error) { l, err = net.Listen("tcp", ":417"); return })
	defer l.Close()
	link, err := netlink.LinkByName(h.Device)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetMTU(link, 1400); err != nil {
		t.Fatal(err)
	}
	e := probe.Endpoint{Addr: h.Addr4, Port: 417, Proto: probe.TCP}
	attempt := func() probe.Result {
		t.Helper()
		r, err := probe.Do(t.Context(), e, probe.Options{Timeout: 20 * time.Second, Evidence: true})
		if err != nil || r.State != probe.Open || r.Handshake == nil {
			t.Fatalf("%s %+v, %v", r.State, r.Handshake, err)
		}
		return r
	}
	r := attempt()
	if k := r.Handshake; k.SYNs != 1 || k.PathMTU != 1400 || k.MSS == 0 || k.MSS > 1360 || k.Window == nil ||
		*k.Window == 0 || k.RTT <= 0 || k.RTTVar <= 0 || !slices.Contains(k.Options, "sack") {
		t.Errorf("%+v, window %d", *k, *k.Window)
	}
	do(t, h, func() error { return dropFirst() })
	r = attempt()
	if k := r.Handshake; k.SYNs != 2 || !strings.Contains(evidence.Sentences(&r)[0], "only after 2 SYNs") {
		t.Errorf("%+v, %+v", *k, r.Facts)
	}
}

// dropFirst drops the first TCP packet that comes from now on.
func dropFirst() error {
	f := nft.New(nftables.TableFamilyIPv4)
	syn := []expr.Any{&expr.Quota{Bytes: 60}} // with its options
	f.Rule(f.Filter(nftables.ChainHookInput), nft.Proto(unix.IPPROTO_TCP), syn, nft.Verdict(expr.VerdictDrop, ""))
	return f.Flush()
}
