package local

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"onmux/probe"
	"onmux/probe/nettest"
)

// A sandbox that forbids netlink is not a kernel without nftables, whatever the
// error by which it does.
func TestNATWithoutNetlink(t *testing.T) {
	nettest.Need(t)
	for _, refusal := range []unix.Errno{unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT, unix.EPERM, unix.EACCES, unix.EINVAL} {
		var got nat
		nettest.WithoutNetlink(t, refusal, func() (err error) {
			got, err = readNAT(t.Context(), Query{ports: map[probe.Proto][]uint16{probe.TCP: {417}}, v4: true})
			return err
		})
		if !got.missed || !slices.ContainsFunc(got.coverage, func(s string) bool { return strings.HasPrefix(s, "NAT rules: not read: no netlink socket") }) {
			t.Errorf("%v: missed %t, coverage %q", refusal, got.missed, got.coverage)
		}
	}
}
