package forecast

import (
	"context"
	"errors"
	"math"
	"math/bits"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/engine"
	"onmux/scan/routes"
	"onmux/scan/timing"
)

// Forecast is what a scan would do. What depends on who answers is given for three
// networks: one where every host answers the first probe, one that is silent, and
// the worst case.
type Forecast struct {
	Addresses uint64         `json:"addresses"`
	Public    uint64         `json:"public"` // globally routed addresses
	Ports     []string       `json:"ports"`  // as 417/tcp
	Endpoints uint64         `json:"endpoints"`
	Targets   uint64         `json:"targets"`              // endpoints that the shard asks
	Rate      float64        `json:"rate,omitzero"`        // probes a second in the first pass, at most; 0: no limit
	Capped    float64        `json:"-"`                    // the network rate that limits it, or 0
	HeldBy    string         `json:"held,omitempty"`       // that as a sentence, which the reporter sets
	Probes    Outlook        `json:"probes"`               // how many
	Time      *Outlook       `json:"time_ms,omitempty"`    // how long, in milliseconds; nil without a rate
	Routes    []routes.Range `json:"routes"`               // which way
	More      uint64         `json:"more_routes,omitzero"` // ranges beyond those
	LeftOut   []string       `json:"left_out"`             // sentences about the plan's, which the reporter sets

	Neighbors *engine.NeighborUse `json:"neighbors,omitempty"` // of a scan that connects; nil if it has none
}

// How long a neighbor takes room in the kernel's table: one that answers is reachable for a
// random time of 15 to 45 seconds (base_reachable_time), one that is missing is asked three times, a second
// apart (mcast_solicit, retrans_time).
const (
	presentHeld = 30 * time.Second
	missingHeld = 3 * time.Second
)

// LimitNeighbors adds the waits for room in the table of neighbors, which scans that connect
// need: nothing if n is nil.
func (f *Forecast) LimitNeighbors(n *engine.NeighborUse) {
	f.Neighbors = n
	if n == nil || f.Targets == 0 {
		return
	}
	need := float64(n.Neighbors) * float64(f.Targets) / float64(f.Addresses)
	wait := func(probes uint64, held time.Duration) uint64 {
		entries := need * float64(probes) / float64(f.Targets)
		room := float64(max(n.Room, 1))
		return uint64(math.Ceil(max(entries-room, 0) / room * float64(held.Milliseconds())))
	}
	waits := Outlook{
		wait(f.Probes.Answering, presentHeld), wait(f.Probes.Silent, missingHeld), wait(f.Probes.Most, presentHeld),
	}
	if f.Time == nil {
		if waits.Answering == 0 {
			return
		}
		f.Time = &Outlook{}
	}
	f.Time.Answering = max(f.Time.Answering, waits.Answering)
	f.Time.Silent = max(f.Time.Silent, waits.Silent)
	f.Time.Most = max(f.Time.Most, waits.Most)
}

// Outlook is a number for each of a Forecast's three networks.
type Outlook struct {
	Answering uint64 `json:"answering"`
	Silent    uint64 `json:"silent"`
	Most      uint64 `json:"most"`
}

// unlimited is a rate, in probes a second, that no machine reaches: limits above it are none.
const unlimited = 10e6

// New predicts what scan.Run would do with c, which needs no Engine, if packets leave
// through the named device, or wherever the kernel sends them if it is "". Nothing
// is sent.
func New(ctx context.Context, c scan.Config, device string) (Forecast, error) {
	if c.Plan == nil {
		return Forecast{}, errors.New("a forecast needs a plan")
	}
	c, err := c.WithDefaults()
	if err != nil {
		return Forecast{}, err
	}
	p := c.Plan
	f := Forecast{
		Addresses: p.AddrCount(), Public: p.Public(), Endpoints: p.Len(), Targets: c.Shard.Size(p.Len()),
	}
	for _, port := range p.Ports() {
		f.Ports = append(f.Ports, port.String())
	}
	rate := min(c.Rate, unlimited)
	if share := p.NetworkShare(); c.NetRate < rate*share {
		rate = c.NetRate / share
		f.Capped = c.NetRate
	}
	passes := uint64(c.Retries + 1)
	payloads, asked := payloadPasses(&c, f.Targets)
	f.Probes = Outlook{f.Targets, f.Targets*min(passes, 2) + payloads*asked, f.Targets * passes}
	if rate < unlimited {
		f.Rate = rate
		silent := duration(c.Timeout, rate, f.Targets, int(min(passes, 2)))
		if payloads > 0 {
			waits := new(timing.Estimator).Wait(2+int(payloads), c.Timeout) + time.Duration(payloads)*timing.ShortWait
			silent += uint64(math.Ceil(float64(payloads*asked)/rate*1e3)) + uint64(waits.Milliseconds())
		}
		f.Time = &Outlook{duration(c.Timeout, rate, f.Targets, 0), silent, duration(c.Timeout, rate, f.Targets, int(passes))}
	}
	f.Routes, f.More, err = routes.List(ctx, p, device)
	return f, err
}

// payloadPasses is how many passes over a silent network send further payloads of
// UDP ports, and how many endpoints each of them asks.
func payloadPasses(c *scan.Config, targets uint64) (passes, asked uint64) {
	udp := c.Plan.CountOf(probe.UDP)
	most := min(scan.MaxPayloads(c.Plan.Ports()), c.Retries+1)
	if udp == 0 || most <= 2 {
		return 0, 0
	}
	over, product := bits.Mul64(targets, udp)
	asked, _ = bits.Div64(over, product, c.Plan.Len())
	if asked > scan.MaxPayloadTargets {
		return 0, 0
	}
	return uint64(most - 2), asked
}

// duration is how many milliseconds a scan takes in which so many passes ask every
// endpoint and end with a wait; none means one pass without.
func duration(timeout time.Duration, rate float64, targets uint64, passes int) uint64 {
	var wait time.Duration
	for try := range passes {
		wait += new(timing.Estimator).Wait(try+1, timeout)
	}
	ms := float64(targets)*float64(max(passes, 1))/rate*1e3 + float64(wait.Milliseconds())
	return uint64(min(math.Ceil(ms), 1<<53))
}
