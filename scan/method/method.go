package method

import (
	"context"

	"onmux/probe"
	"onmux/scan/connect"
	"onmux/scan/engine"
	"onmux/scan/raw"
	"onmux/scan/target"
)

// Method is how a scan probes. The zero value connects.
type Method struct {
	Packets bool   // or else connections and sockets
	Device  string // packets leave through it; "" for wherever the kernel would send them

	// Local is from where is probed. Packets have its address, and ports of their own.
	Local probe.Local

	prepared engine.Engine // made to find out whether packets can be sent, and not used yet
}

// Options are what an engine needs to know of the scan.
type Options struct {
	Targets      *target.Plan
	Tries        int  // of one endpoint, at most
	Evidence     bool // sentences about each answer, besides its reason
	NoTimestamps bool // no time of sending in packets, which costs time
}

// Adopt chooses the method that a checkpoint has for its protocols.
func (m *Method) Adopt(saved map[string]string) {
	for _, name := range saved {
		m.Packets = name == "syn" || name == "udp-raw"
	}
}

// Prepare makes the engine that sends packets, for the next call of Engine. The error is
// the reason why this process cannot send any.
func (m *Method) Prepare(ctx context.Context, o Options) (err error) {
	m.prepared, err = m.newRaw(ctx, o)
	return err
}

func (m *Method) newRaw(ctx context.Context, o Options) (engine.Engine, error) {
	e, err := raw.New(ctx, raw.Config{
		Targets: o.Targets, Device: m.Device, Source: m.Local.Addr, Tries: o.Tries, Evidence: o.Evidence,
		NoTimestamps: o.NoTimestamps,
	})
	if err != nil {
		return nil, err // not a nil pointer in an interface
	}
	return e, nil
}

// Engine returns the prepared engine, or makes another one.
func (m *Method) Engine(ctx context.Context, o Options) (engine.Engine, error) {
	if e := m.prepared; e != nil {
		m.prepared = nil
		return e, nil
	}
	if m.Packets {
		return m.newRaw(ctx, o)
	}
	own, _ := target.OwnNetworks() // without them no neighbor is known, which the coverage of the plan states
	return connect.New(connect.Config{Targets: o.Targets, Own: own, Evidence: o.Evidence, Local: m.Local}), nil
}

// Demand is the room that the plan's neighbors take in the kernel's table; nil where packets
// are sent, which need none.
func (m *Method) Demand(ctx context.Context, plan *target.Plan) (*engine.NeighborUse, error) {
	if m.Packets {
		return nil, nil
	}
	own, _ := target.OwnNetworks()
	return connect.Demand(ctx, connect.Config{Own: own}, plan.Runs()), nil
}

// Close closes an engine that was prepared and never used.
func (m *Method) Close() {
	if m.prepared != nil {
		_ = m.prepared.Close()
	}
}

// Names has how each protocol of the ports is probed.
func (m *Method) Names(ports []probe.Port) map[string]string {
	names := map[probe.Proto]string{probe.TCP: "connect", probe.UDP: "udp"}
	if m.Packets {
		names = map[probe.Proto]string{probe.TCP: "syn", probe.UDP: "udp-raw"}
	}
	used := make(map[string]string)
	for _, p := range ports {
		used[p.Proto.String()] = names[p.Proto]
	}
	return used
}
