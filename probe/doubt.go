package probe

// DoubtKind is why a verdict proves less than it seems to.
type DoubtKind string

const (
	// DoubtHostLimits: the host limits its ICMP errors, so that its silence over UDP
	// decides nothing.
	DoubtHostLimits DoubtKind = "host-limits-icmp"

	// DoubtNetworkLimits: ICMP errors from its network are limited or lost, so that its
	// silence over UDP decides nothing.
	DoubtNetworkLimits DoubtKind = "network-limits-icmp"

	// DoubtRefusalLimited: the same over TCP, so that it may be unreachable or refused
	// rather than filtered.
	DoubtRefusalLimited DoubtKind = "refusal-limited"

	// DoubtResetFollowed: a reset followed its SYN-ACK at once.
	DoubtResetFollowed DoubtKind = "reset-followed"

	// DoubtNotVerified: whether it is a service could not be found out, because of Error.
	DoubtNotVerified DoubtKind = "not-verified"
)

// Doubt is a reason to doubt a verdict, as data. Notes has the same as sentences.
type Doubt struct {
	Kind  DoubtKind `json:"kind"`
	Error string    `json:"error,omitempty"`
}
