package scan_test

import (
	"testing"

	"onmux/probe/nettest"
	"onmux/scan/raw"
)

// Steps that set up networks.
var (
	sysctl  = nettest.Sysctl
	route   = nettest.Route
	address = nettest.Address
	tun     = nettest.TUN
)

// newRaw makes an engine over packets; Run closes it.
func newRaw(t testing.TB, c raw.Config) *raw.Engine {
	t.Helper()
	nettest.Need(t)
	e, err := raw.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
