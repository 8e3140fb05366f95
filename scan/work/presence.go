package work

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"strings"
	"sync"
)

// Presence is what a worker reports of itself every few seconds, and while it works every second.
type Presence struct {
	Worker string  `json:"worker"`
	Zone   string  `json:"zone"`
	Speed  float64 `json:"speed"` // probes a second that it sends at most

	Scan    string  `json:"scan,omitempty"` // that it works on
	Segment int     `json:"segment,omitempty"`
	Share   float64 `json:"share,omitempty"` // of the segment that is done, 0 to 1
	Rate    float64 `json:"rate,omitempty"`  // probes a second, now
	Open    uint64  `json:"open,omitempty"`  // endpoints of the segment found open so far
	Left    bool    `json:"left,omitempty"`  // it has ended
}

// newWorkerID is one that no other worker has.
func newWorkerID() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// activity is what a worker reports of itself. Any goroutine may use it.
type activity struct {
	mu sync.Mutex
	p  Presence
}

func (a *activity) now() Presence {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.p
}

func (a *activity) change(f func(p *Presence)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.p)
}

// Encode writes it as JSON.
func (p Presence) Encode() []byte {
	b, _ := json.Marshal(p) // its fields can be written
	return b
}

// DecodePresence reads what a worker reports; ok is false of what none does.
func DecodePresence(data []byte) (p Presence, ok bool) {
	if json.Unmarshal(data, &p) != nil || !isWorkerID(p.Worker) || CheckZone(p.Zone) != nil {
		return p, false
	}
	return p, p.Speed >= 0 && p.Share >= 0 && p.Share <= 1 && p.Rate >= 0
}
