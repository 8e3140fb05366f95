package netns

import (
	"os"
	"testing"

	"onmux/probe/nettest"
)

// TestMain runs the tests in namespaces of their own.
func TestMain(m *testing.M) {
	nettest.RunProcess()
	os.Exit(nettest.Alone(m))
}
