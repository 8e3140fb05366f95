package socket

import (
	"os"
	"testing"

	"onmux/probe/nettest"
)

// TestMain runs the tests in namespaces of their own.
func TestMain(m *testing.M) {
	os.Exit(nettest.Alone(m))
}
