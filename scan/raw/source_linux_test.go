package raw_test

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"

	"onmux/probe"
	"onmux/probe/nettest"
	"onmux/scan"
	"onmux/scan/raw"
	"onmux/scan/scantest"
)

// TestSource asks a host on a link, and this machine, from an address that the kernel would not choose.
func TestSource(t *testing.T) {
	if !nettest.OwnNamespace(t) {
		return
	}
	h := nettest.NewReadyHost(t)
	l, err := netlink.LinkByName(h.Device)
	if err != nil {
		t.Fatal(err)
	}
	network := netip.PrefixFrom(h.Addr4, 24)
	source := network.Masked().Addr()
	for range 200 { // neither the host's address nor this machine's
		source = source.Next()
	}
	second, err := netlink.ParseAddr(source.String() + "/24")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(l, second); err != nil {
		t.Fatal(err)
	}
	for target, from := range map[string]netip.Addr{
		h.Addr4.String(): source, "127.0.3.9": netip.MustParseAddr("127.0.0.77"), "::1": netip.IPv6Loopback(),
	} {
		plan := scantest.NewPlan(t, both, target)
		s := scantest.Run(t.Context(), scan.Config{
			Plan: plan, Engine: newRaw(t, raw.Config{Targets: plan, Evidence: true, Source: from}), Retries: 2,
		})
		s.RequireComplete(t)
		for e, r := range s.Results(t) {
			if r.State != probe.Closed {
				t.Errorf("%v from %v is %v (%v) %s", e, from, r.State, r.Reason, r.Error)
			}
			if got := sourceOf(r); got != from {
				t.Errorf("%v was asked from %v, not %v", e, got, from)
			}
		}
	}
}

func sourceOf(r probe.Result) netip.Addr {
	for _, f := range r.Facts {
		if f.Kind == probe.FactSource {
			return f.From.Addr()
		}
	}
	return netip.Addr{}
}
