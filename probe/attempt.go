package probe

import (
	"context"
	"net/netip"
	"time"
)

// Attempt is one of several attempts at an endpoint, and the record of type
// "attempt" in documents.
type Attempt struct {
	Endpoint
	Host      string     `json:"host,omitempty"`
	Try       int        `json:"try"`  // counts from 1
	Time      time.Time  `json:"time"` // when it began, UTC
	State     State      `json:"state"`
	Reason    Reason     `json:"reason,omitzero"`
	RTT       Millis     `json:"rtt_ms,omitzero"`
	Responder netip.Addr `json:"responder,omitzero"`
	Error     string     `json:"error,omitempty"`
}

// Kind names the record's type in documents.
func (Attempt) Kind() string { return "attempt" }

// Attempts sums up several attempts at one endpoint. The times are of those
// that the endpoint itself answered, and zero if there was none.
type Attempts struct {
	Sent     int            `json:"sent"`
	Answered int            `json:"answered"` // by the endpoint itself: open, closed, or an ICMP error of its own
	Loss     float64        `json:"loss"`     // share of the others, 0 to 1
	States   map[string]int `json:"states"`   // how often each state was found; they add up to Sent
	Min      Millis         `json:"min_ms,omitzero"`
	Avg      Millis         `json:"avg_ms,omitzero"`
	Max      Millis         `json:"max_ms,omitzero"`
	StdDev   Millis         `json:"stddev_ms,omitzero"` // of the population, as ping's mdev
}

// Sleep waits until d has passed or ctx is done, of which it returns the error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
