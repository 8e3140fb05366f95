package work

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/scan"
	"onmux/scan/checkpoint"
	"onmux/scan/scantest"
	"onmux/scan/simnet"
	"onmux/scan/target"
)

var port = probe.Port{Number: 417, Proto: probe.TCP}

func request(t testing.TB) *Request {
	plan := scantest.NewPlan(t, []probe.Port{port}, "10.0.0.0/24")
	return &Request{
		Head: Head{
			Version: version, ID: NewID(), Created: time.Now().UTC().Round(0), Zones: []string{"a", "b"}, Lease: time.Second,
			Settings: Settings{Seed: math.MaxUint64, Rate: 100, Retries: 2, Timeout: time.Second, Bound: 0.5, Method: "syn"},
		},
		Plan: plan, Cuts: []uint64{0, 100, 101, plan.Len()},
	}
}

// TestRequests: a request is read as it was written, and one that was changed or is not signed is none.
func TestRequests(t *testing.T) {
	t.Parallel()
	r := request(t)
	sign := func(b []byte) ([]byte, error) { return []byte{byte(len(b)), b[len(b)-1]}, nil }
	verify := func(b, signature []byte) error {
		if want, _ := sign(b); !bytes.Equal(want, signature) {
			return errors.New("not signed")
		}
		return nil
	}
	data, err := r.Encode(sign)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data, verify)
	if err != nil || !reflect.DeepEqual(got.Head, r.Head) || !slices.Equal(got.Cuts, r.Cuts) ||
		got.Plan.Fingerprint() != r.Plan.Fingerprint() {
		t.Fatalf("%+v, %v", got, err)
	}
	plain, _ := r.Encode(nil)
	if _, err := Decode(plain, nil); err != nil {
		t.Error(err)
	}
	if _, err := Decode(plain, verify); err == nil {
		t.Error("one without a signature is taken")
	}
	now := r.Created
	for after, ok := range map[time.Duration]bool{
		time.Hour: true, -time.Minute: true, MaxAge + time.Minute: false, -2 * time.Hour: false,
	} {
		if err := got.fresh(now.Add(after)); (err == nil) != ok {
			t.Errorf("%v later: %v", after, err)
		}
	}
	for what, change := range map[string]func(*Request){
		"ID":       func(r *Request) { r.ID = "../x" },
		"zone":     func(r *Request) { r.Zones = []string{"a.b"} },
		"twice":    func(r *Request) { r.Zones = []string{"a", "a"} },
		"rate":     func(r *Request) { r.Rate = -1 },
		"retries":  func(r *Request) { r.Retries = 99 },
		"timeout":  func(r *Request) { r.Timeout = 0 },
		"lease":    func(r *Request) { r.Lease = 2 * maxLease },
		"method":   func(r *Request) { r.Method = "telnet" },
		"control":  func(r *Request) { r.Controls = []probe.Endpoint{{}} },
		"empty":    func(r *Request) { r.Cuts = []uint64{0, 0, r.Plan.Len()} },
		"too few":  func(r *Request) { r.Cuts = []uint64{0, 10} },
		"too many": func(r *Request) { r.Cuts = []uint64{0, r.Plan.Len() + 1} },
	} {
		bad := request(t)
		change(bad)
		data, err := bad.Encode(nil)
		if err != nil && what != "rate" {
			t.Fatal(err)
		}
		if _, err := Decode(data, nil); err == nil {
			t.Errorf("%s: a request that makes no sense is taken", what)
		}
	}
}

// FuzzDecode: whatever arrives is a request that makes sense, or an error.
func FuzzDecode(f *testing.F) {
	data, err := request(f).Encode(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Decode(data, nil)
		if err != nil {
			return
		}
		if !r.valid() || r.Cuts[r.Segments()] != r.Plan.Len() || newLedger(r.Cuts, 1).left != r.Segments() {
			t.Fatalf("%+v", r)
		}
	})
}

// FuzzChunk: whatever arrives as a chunk is one, or an error.
func FuzzChunk(f *testing.F) {
	c := chunk{zone: "a", segment: 2, try: 1, worker: newWorkerID(), parts: 1, body: []byte("body")}
	f.Add(c.encode())
	f.Add([]byte{})
	r := request(f)
	order := target.NewOrder(r.Plan.Len(), r.Seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeChunk(data, r.Segments())
		if err != nil {
			return
		}
		if c.segment < 0 || c.segment >= r.Segments() || c.part >= c.parts {
			t.Fatalf("%+v", c)
		}
		_, _, _ = decodeAnswer(c.body, r, order, c.segment) // which may be an error
	})
}

// TestChunks: an answer that takes several messages is whole when all have come, in any order and
// more than once, and the first to a segment counts.
func TestChunks(t *testing.T) {
	t.Parallel()
	l := newLedger([]uint64{0, 10, 20}, 1)
	body := bytes.Repeat([]byte("0123456789"), chunkSize/4)
	first := split(chunk{zone: "a", try: 1, worker: newWorkerID()}, body)
	second := split(chunk{zone: "a", try: 2, worker: newWorkerID()}, body)
	if len(first) != 3 {
		t.Fatalf("%d chunks", len(first))
	}
	for _, c := range []*chunk{first[2], second[0], first[2], first[0], second[1]} {
		if _, whole := l.add(0, c); whole {
			t.Fatal("it is whole too early")
		}
	}
	got, whole := l.add(0, first[1])
	if !whole || !bytes.Equal(got, body) {
		t.Fatalf("%d of %d bytes, %v", len(got), len(body), whole)
	}
	if _, again := l.add(0, second[2]); again || len(l.partly) != 0 {
		t.Error("a second answer counts")
	}
	if l.left != 1 || l.proof(0, 20) == nil {
		t.Errorf("%d left, and proven", l.left)
	}
}

// segmentsOf runs a scan by one worker in virtual time, and returns its findings.
func segmentsOf(t *testing.T, ctx context.Context, w *Worker, zones []string) (scantest.Scan, Outcome) {
	t.Helper()
	h := newHub(4)
	w.From, w.Log = h.connect(), func(string) {}
	workers, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(workers) }()
	time.Sleep(time.Second) // it is there
	plan := scantest.NewPlan(t, []probe.Port{port}, "10.0.0.0/24")
	q := &Requester{At: h, Zones: zones, Log: func(text string) { t.Log(text) }}
	if _, err := q.Begin(t.Context(), plan, Settings{Seed: 7, Retries: 2, Timeout: time.Second, Bound: 0.5}); err != nil {
		t.Fatal(err)
	}
	var s scantest.Scan
	o, err := q.Run(ctx, func(f scan.Finding) error { s.Findings = append(s.Findings, f); return nil })
	s.Err, s.Summary, s.Complete = err, o.Summary, o.Complete
	stop()
	<-ended
	if !h.ended {
		t.Error("the scan goes on")
	}
	return s, o
}

func host(e probe.Endpoint) simnet.Host {
	h := simnet.Host{RTT: 5 * time.Millisecond}
	switch b := e.Addr.As4()[3]; {
	case b < 10:
		h.Reason = probe.SynAck
	case b < 100:
		h.Reason = probe.Reset
	}
	return h
}

func scanSimulated(ctx context.Context, _ *Request, c scan.Config) (*checkpoint.Part, scan.Outcome, error) {
	c.Engine = simnet.New(simnet.Config{Host: host, KnowsTry: true})
	return ScanSegment(ctx, c, func(*probe.Result) {})
}

// TestWorker: a worker finds what one machine would, within its bounds.
func TestWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		allow := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/25"), netip.MustParsePrefix("10.0.0.200/32")}
		s, o := segmentsOf(t, t.Context(), &Worker{Zone: "a", Allow: allow, Scan: scanSimulated}, []string{"a"})
		s.RequireComplete(t)
		if !o.Proven || len(o.Zones) != 1 || o.States["open"] != 10 || o.States["closed"] != 90 ||
			o.States["filtered"] != 29 ||
			o.States["unknown"] != 127 {
			t.Errorf("%+v", o)
		}
		s.Results(t)
		for _, f := range s.Findings {
			if r, ok := f.(scan.Range); ok && r.Zone != "a" || ok && r.State == probe.Unknown && r.Error == "" {
				t.Errorf("%+v", r)
			}
		}
	})
}

// TestWorkerFails: what a worker can never scan is unknown in the end, with the reason.
func TestWorkerFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fails := func(context.Context, *Request, scan.Config) (*checkpoint.Part, scan.Outcome, error) {
			return nil, scan.Outcome{}, errors.New("no such device")
		}
		s, o := segmentsOf(t, t.Context(), &Worker{Zone: "a", Scan: fails}, nil)
		if o.States["unknown"] != 256 || !o.Complete {
			t.Errorf("%+v", o)
		}
		for e, r := range s.Results(t) {
			if r.Error != "no such device" {
				t.Errorf("%v: %+v", e, r)
			}
		}
	})
}

// TestInterrupted: a requester that is interrupted reports what is known, and the worker stops.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, errors.New("interrupted"))
		defer cancel()
		s, o := segmentsOf(t, ctx, &Worker{Zone: "a", Rate: 10, Scan: scanSimulated}, nil)
		if s.Err != nil || o.Complete || o.Proven || o.Targets+o.NotReached != 256 || o.NotReached == 0 {
			t.Errorf("%+v, %v", o, s.Err)
		}
		s.Results(t)
	})
}

// TestRemoved: a scan that somebody removes is reported as far as it is known, with an error.
func TestRemoved(t *testing.T) {
	t.Parallel()
	h := newHub(4)
	q := &Requester{At: removed{h}, Log: func(string) {}}
	plan := scantest.NewPlan(t, []probe.Port{port}, "10.0.0.0/24")
	if _, err := q.Begin(t.Context(), plan, Settings{Seed: 7, Retries: 2, Timeout: time.Second, Bound: 0.5}); err != nil {
		t.Fatal(err)
	}
	o, err := q.Run(t.Context(), func(scan.Finding) error { return nil })
	if !errors.Is(err, ErrEnded) || o.Complete || o.NotReached != 256 {
		t.Errorf("%+v, %v", o, err)
	}
}

// removed is a hub whose scan was removed.
type removed struct{ *hub }

func (removed) Stored(context.Context, string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) { yield(nil, ErrEnded) }
}

// TestDivide: segments are all positions, each once, and the slowest worker's are short at the end.
func TestDivide(t *testing.T) {
	t.Parallel()
	for _, speeds := range [][]float64{nil, {1}, {1e4, 1e4, 1e4, 1e4}, {10, 1e6}, {math.MaxInt32, 1e-3}} {
		for _, n := range []uint64{1, 2, 63, 64, 65, 1000, 1 << 20, 1 << 32} {
			cuts := divide(n, speeds)
			if cuts[0] != 0 || cuts[len(cuts)-1] != n || !slices.IsSorted(cuts) ||
				len(slices.Compact(slices.Clone(cuts))) != len(cuts) ||
				len(cuts) > MaxSegments {
				t.Errorf("%d by %v: %d segments", n, speeds, len(cuts)-1)
			}
		}
	}
}
