package local_test

import (
	"strings"
	"testing"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"onmux/probe"
	. "onmux/probe/local"
	"onmux/probe/nettest"
	"onmux/probe/nettest/nft"
)

// A rule that is not understood is neither a redirect nor forgotten.
func TestNATUnread(t *testing.T) {
	h := nettest.NewHost(t)
	p := probe.Port{Number: 417, Proto: probe.TCP}
	if err := h.Do(func() error {
		f := nft.New(nftables.TableFamilyIPv4)
		prefix := nft.Native([4]uint32{1, nft.RangeMapsAddress, 0x0200000a, 0x0200000a}, uint32(0))
		f.Rule(f.Prerouting(), nft.XTPorts(417, 417, 0), nft.XTTarget("NETMAP", 0, prefix))
		if err := f.Flush(); err != nil {
			return err
		}
		r, err := checked(t.Context(), Request{Ports: []probe.Port{p}, IPv4: true, IPv6: true})
		if err != nil {
			return err
		}
		v := r.Verdicts[0]
		// In a user namespace BPF programs cannot be listed.
		why := strings.TrimSuffix(v.Why, "; BPF programs could not be listed, and one may send arrivals on")
		if v.Verdict != Free || len(v.Redirects) > 0 ||
			!strings.HasSuffix(why, "not understood: an nftables rule (table ip nat, chain pre)") {
			t.Errorf("%+v", v)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// A socket that listens is the verdict, and the rule before it is reported.
func TestNATBeforeListener(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		nettest.Open(t, unix.AF_INET, unix.SOCK_STREAM, nettest.Bind("0.0.0.0", 417), nettest.Listen(7))
		f := nft.New(nftables.TableFamilyIPv4)
		f.Rule(f.Prerouting(), nft.ToPort(417), nft.Redirect(8417))
		f.Rule(f.Output(), nft.ToPort(418), nft.Redirect(8418))
		if err := f.Flush(); err != nil {
			return err
		}
		both := []probe.Port{{Number: 417, Proto: probe.TCP}, {Number: 418, Proto: probe.TCP}}
		r, err := checked(t.Context(), Request{Ports: both, IPv4: true, IPv6: true})
		if err != nil {
			return err
		}
		for i, want := range []struct {
			word Word
			why  string
		}{
			{Listening, "; but first, arrivals are sent on to port 8417 by an nftables rule " +
				"(table ip nat, chain pre), only from outside, over IPv4"},
			{Redirected, "sent on to port 8418 by an nftables rule (table ip nat, chain out), " +
				"only from this machine, over IPv4; nothing listens on 418 itself"},
		} {
			if v := r.Verdicts[i]; v.Verdict != want.word || !strings.HasSuffix(v.Why, want.why) || len(v.Redirects) != 1 {
				t.Errorf("%+v, want %s %q", v, want.word, want.why)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// That no socket uses a port is not all that a caller needs to know who may not
// read whether a rule sends its arrivals on.
func TestNATNotAllowedFree(t *testing.T) {
	h := nettest.NewHost(t)
	if err := h.Do(func() error {
		f := nft.New(nftables.TableFamilyIPv4)
		f.Rule(f.Prerouting(), nft.ToPort(417), nft.Redirect(8417))
		return f.Flush()
	}); err != nil {
		t.Fatal(err)
	}
	nettest.AsNobody(t, h, func() error {
		r, err := checked(t.Context(), Request{Ports: []probe.Port{{Number: 417, Proto: probe.TCP}}, IPv4: true, IPv6: true})
		if err != nil {
			return err
		}
		if v := r.Verdicts[0]; !strings.HasSuffix(
			v.Why,
			"; not every NAT rule and BPF program could be read, and one may send arrivals on",
		) {
			t.Errorf("%+v", v)
		}
		return nil
	})
}
