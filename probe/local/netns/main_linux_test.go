package netns

import (
	"testing"

	"onmux/probe/nettest"
)

// TestMain runs the tests in namespaces of their own.
func TestMain(m *testing.M) {
	nettest.RunProcess()
	nettest.Exit(nettest.Alone(m))
}
