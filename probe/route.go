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

// FarEnd is what a listener with the same key (package farend) answered.
type FarEnd struct {
	Proven  bool           `json:"proven"`            // an answer with a valid code came back
	Source  netip.AddrPort `json:"source,omitzero"`   // this machine's address
	Seen    netip.AddrPort `json:"seen,omitzero"`     // the same as the far end saw it; another one is NAT
	Server  netip.AddrPort `json:"server,omitzero"`   // the far end's own address
	RTT     Millis         `json:"rtt_ms,omitzero"`   // the shortest
	Forward *Direction     `json:"forward,omitempty"` // to the far end; over UDP only
	Back    *Direction     `json:"back,omitempty"`    // from it
	Path    []Hop          `json:"path,omitempty"`    // the routers from it back to this machine
}

// Direction is how datagrams passed in one direction.
type Direction struct {
	Sent       int   `json:"sent"`
	Arrived    int   `json:"arrived"` // different ones
	Reordered  int   `json:"reordered,omitzero"`
	Duplicated int   `json:"duplicated,omitzero"`
	MTU        int   `json:"mtu,omitzero"`       // bytes of the longest IP packet that arrived whole, of those sent
	MTUTried   int   `json:"mtu_tried,omitzero"` // bytes of the longest that was sent so
	TTL        uint8 `json:"ttl,omitzero"`       // as they arrived
}

// Loss is the share of datagrams that did not arrive, 0 to 1.
func (d Direction) Loss() float64 {
	if d.Sent == 0 {
		return 0
	}
	return 1 - float64(d.Arrived)/float64(d.Sent)
}
