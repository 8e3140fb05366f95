package lookup

import (
	"testing"

	"onmux/probe/nettest"
)

func TestMain(m *testing.M) { nettest.Main(m) }
