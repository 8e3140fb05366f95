package work

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"onmux/probe"
	"onmux/scan/engine"
	"onmux/scan/named"
	"onmux/scan/target"
	"onmux/scan/varint"
	"onmux/scan/verdict"
)

const (
	magic   = "onmux request\n"
	version = 1

	// MaxSegments bounds the segments of a scan, and maxZones the zones that it is made from.
	MaxSegments = 1 << 16
	maxZones    = 256

	// MaxAge is how long a scan is kept whose requester is gone. Older requests are refused.
	MaxAge = 7 * 24 * time.Hour

	// DefaultLease is how long a worker may be silent before its segment goes to another.
	DefaultLease = 15 * time.Second

	minLease = 100 * time.Millisecond // it is extended every quarter of it
	maxLease = time.Hour
)

// Request is a scan that workers are asked to make.
type Request struct {
	Head
	Plan *target.Plan
	Cuts []uint64 // where segments begin, from 0 on, and the end of the last
}

// Head is the part of a request that is written as JSON.
type Head struct {
	Version int       `json:"version"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`

	// Zones are the zones that each ask everything; nil lets all workers share the segments.
	Zones []string `json:"zones,omitempty"`

	Settings
	Lease time.Duration `json:"lease"` // how long a worker may be silent before its segment goes to another
}

// Settings are how a scan asks; a worker stays within its own bounds.
type Settings struct {
	Seed     uint64           `json:"seed"`
	Rate     float64          `json:"rate,omitempty"` // probes a second of each worker; 0 is its own
	NetRate  float64          `json:"net_rate,omitempty"`
	Retries  int              `json:"retries"`
	Timeout  time.Duration    `json:"timeout"`
	Bound    float64          `json:"bound"`            // answering hosts that the whole scan may miss
	Method   string           `json:"method,omitempty"` // syn or connect; "" leaves it to the worker
	Identify bool             `json:"identify,omitempty"`
	Verify   bool             `json:"verify,omitempty"`
	Controls []probe.Endpoint `json:"controls,omitempty"`
}

// errInvalid is wrapped by every error of a message that does not make sense.
var errInvalid = errors.New("the message contradicts itself")

// AllZones stands for every zone that has a worker.
const AllZones = "all"

// CheckZone is an error if a zone cannot have that name.
func CheckZone(name string) error {
	if name == AllZones || !isZone(name) {
		return fmt.Errorf("%q is not a name of a zone: letters, digits, - and _, at most 63, and not %q", name, AllZones)
	}
	return nil
}

func isZone(name string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return len(name) > 0 && len(name) <= 63 && strings.Contains(letters, name[:1]) &&
		strings.Trim(name, letters+"-_") == ""
}

// isID reports whether s has n characters, all of RFC 4648's lower-case alphabet (section 6).
func isID(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

func isScanID(s string) bool   { return isID(s, 13) }
func isWorkerID(s string) bool { return isID(s, 8) }

// CheckID is an error if no scan can have that ID.
func CheckID(id string) error {
	if !isScanID(id) {
		return fmt.Errorf("%q is not the ID of a scan: it has 13 letters and digits", id)
	}
	return nil
}

// NewID is one that no other scan has.
func NewID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
}

// Segments is how many there are.
func (r *Request) Segments() int { return len(r.Cuts) - 1 }

// Segment is the positions of the segment with that number.
func (r *Request) Segment(n int) target.Shard { return target.Segment(r.Cuts[n], r.Cuts[n+1]) }

// queues are where segments wait: one for each zone, or one for all workers.
func (r *Request) queues() []string {
	if r.Zones == nil {
		return []string{AllZones}
	}
	return r.Zones
}

// queue is the one that a worker of a zone takes segments from; "" if the scan is not made from
// there.
func (r *Request) queue(zone string) string {
	switch {
	case r.Zones == nil:
		return AllZones
	case slices.Contains(r.Zones, zone):
		return zone
	}
	return ""
}

// Signer signs a request, and Verifier returns an error if a signature is not that of the key that
// requests must be signed with.
type (
	Signer   func(message []byte) ([]byte, error)
	Verifier func(message, signature []byte) error
)

// Encode writes the request, with a signature if sign is not nil.
func (r *Request) Encode(sign Signer) ([]byte, error) {
	var b bytes.Buffer
	w := varint.Writer{Writer: bufio.NewWriter(&b)}
	w.WriteString(magic)
	if err := w.JSON(r.Head); err != nil {
		return nil, err
	}
	w.Uint(uint64(r.Segments()))
	for i := range r.Segments() {
		w.Uint(r.Cuts[i+1] - r.Cuts[i])
	}
	r.Plan.Encode(w)
	if err := w.Flush(); err != nil {
		return nil, err
	}
	var signature []byte
	if sign != nil {
		var err error
		if signature, err = sign(b.Bytes()); err != nil {
			return nil, err
		}
	}
	return append(b.Bytes(), append(signature, byte(len(signature)))...), nil
}

// Decode reads a request. With verify it must be signed. One that no requester makes is an error.
func Decode(data []byte, verify Verifier) (*Request, error) {
	if len(data) == 0 || len(data) <= int(data[len(data)-1]) {
		return nil, errInvalid
	}
	message := data[:len(data)-1-int(data[len(data)-1])]
	if verify != nil {
		if err := verify(message, data[len(message):len(data)-1]); err != nil {
			return nil, err
		}
	}
	body, ok := bytes.CutPrefix(message, []byte(magic))
	if !ok {
		return nil, errors.New("it is not a request of onmux")
	}
	r := varint.NewReader(bytes.NewReader(body), errInvalid)
	req := &Request{Cuts: []uint64{0}}
	r.JSON(&req.Head)
	if r.Err() == nil && req.Version > version {
		return nil, fmt.Errorf("a newer onmux made it, in format %d: this one reads format %d", req.Version, version)
	}
	r.Check(r.Err() == nil && req.valid())
	for n := r.Uint(MaxSegments); n > 0 && r.Err() == nil; n-- {
		last := req.Cuts[len(req.Cuts)-1]
		size := r.Uint(target.MaxEndpoints - last)
		r.Check(size > 0)
		req.Cuts = append(req.Cuts, last+size)
	}
	if r.Err() == nil {
		req.Plan = target.Decode(r, target.MaxEndpoints)
	}
	r.End()
	if r.Err() == nil {
		r.Check(req.Segments() > 0 && req.Cuts[req.Segments()] == req.Plan.Len())
	}
	return req, r.Err()
}

// valid reports whether a requester can have made such a head.
func (h *Head) valid() bool {
	number := func(v float64) bool { return v >= 0 && !math.IsNaN(v) && !math.IsInf(v, 0) }
	switch {
	case h.Version < 1, !isScanID(h.ID), h.Created.IsZero():
		return false
	case h.Zones != nil && len(h.Zones) == 0, len(h.Zones) > maxZones, !slices.IsSorted(h.Zones),
		len(slices.Compact(slices.Clone(h.Zones))) != len(h.Zones),
		slices.ContainsFunc(h.Zones, func(z string) bool { return CheckZone(z) != nil }):
		return false
	case !number(h.Rate), !number(h.NetRate), !number(h.Bound), h.Retries < 0, h.Retries >= engine.MaxTries:
		return false
	case h.Timeout <= 0, h.Timeout > time.Hour, h.Lease < minLease, h.Lease > maxLease:
		return false
	case !slices.Contains([]string{"", "syn", "connect"}, h.Method), len(h.Controls) > named.Most:
		return false
	}
	return !slices.ContainsFunc(h.Controls, func(e probe.Endpoint) bool { return !e.Addr.IsValid() || e.Port == 0 })
}

// fresh is an error if the request is so old, or so far in the future, that no requester can wait
// for it: somebody may have sent it again.
func (r *Request) fresh(now time.Time) error {
	if age := now.Sub(r.Created); age > MaxAge || age < -time.Hour {
		return fmt.Errorf("it was made at %s", r.Created.UTC().Format(time.RFC3339))
	}
	return nil
}

// share is how much of what the whole scan may miss a segment may.
func (r *Request) share(n int) float64 {
	s := r.Segment(n)
	return max(r.Bound, verdict.DefaultBound) * float64(s.Hi-s.Lo) / float64(r.Plan.Len())
}

// ParseZones reads the names of zones, separated by commas, or AllZones.
func ParseZones(text string) ([]string, error) {
	if text == AllZones {
		return []string{AllZones}, nil
	}
	names := strings.Split(text, ",")
	for _, name := range names {
		if err := CheckZone(name); err != nil {
			return nil, err
		}
	}
	return names, nil
}
