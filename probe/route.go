package probe

import "net/netip"

// Route is the route by which packets left this machine.
type Route struct {
	Source    netip.Addr `json:"source,omitzero"`
	Interface string     `json:"interface,omitempty"`
	Gateway   netip.Addr `json:"gateway,omitzero"` // none: the target is on-link, or the gateway is not known
}

// Hop is a step of the path to an endpoint: what became of a packet with a limited
// TTL, or hop limit.
type Hop struct {
	Hop     int        `json:"hop"`              // the packet's TTL, or hop limit; from 1
	Address netip.Addr `json:"address,omitzero"` // of the answer; none if there was none
	RTT     Millis     `json:"rtt_ms,omitzero"`
	Reason  Reason     `json:"reason,omitzero"` // time-exceeded: a router on the way; another one is the path's end
}

// IsEnd reports whether no packet goes beyond this hop.
func (h Hop) IsEnd() bool { return h.Reason != NoReason && h.Reason != TimeExceeded }
