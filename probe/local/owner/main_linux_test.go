package owner

import (
	"os"
	"testing"

	"onmux/probe/nettest"
)

// TestMain runs the tests in namespaces of their own, and the processes that they
// start in whatever namespaces those are in.
func TestMain(m *testing.M) {
	nettest.RunProcess()
	if os.Getenv(inodeEnv) != "" {
		os.Exit(m.Run())
	}
	nettest.Exit(nettest.Alone(m))
}
