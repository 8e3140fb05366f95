package probe

// Handshake is what this machine's kernel knows of an accepted connection.
type Handshake struct {
	RTT     Millis   `json:"rtt_ms,omitzero"`    // as the kernel measured it
	RTTVar  Millis   `json:"rttvar_ms,omitzero"` // its mean deviation
	MSS     uint32   `json:"mss,omitzero"`       // bytes of data in a segment that we send
	PathMTU uint32   `json:"path_mtu,omitzero"`  // bytes, as far as it is known
	Window  *uint32  `json:"window,omitempty"`   // bytes that the peer takes; nil: not known
	Options []string `json:"options,omitempty"`  // that both sides support: timestamps, sack, window-scale, ecn
	SYNs    int      `json:"syns,omitzero"`      // sent until one was answered
}
