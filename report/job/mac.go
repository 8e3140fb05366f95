package job

import (
	"context"
	"net/netip"

	"onmux/probe"
	"onmux/probe/neighbor"
	"onmux/scan/engine"
)

// macs adds the hardware addresses of targets on the same link to their records. Not for
// concurrent use.
type macs struct {
	engine engine.Neighbors // nil: the kernel's table has them
	last   netip.Addr
	mac    string // of last
}

func newMACs(e engine.Engine) *macs {
	known, _ := e.(engine.Neighbors)
	return &macs{engine: known}
}

// of is that of the endpoint of r, if it has answered itself.
func (m *macs) of(ctx context.Context, r *probe.Result) string {
	if !r.FromTarget() {
		return ""
	}
	if r.Addr != m.last {
		m.last, m.mac = r.Addr, ""
		if m.engine != nil {
			m.mac = m.engine.MAC(r.Addr)
		} else {
			m.mac = neighbor.MAC(ctx, r.Addr)
		}
	}
	return m.mac
}
