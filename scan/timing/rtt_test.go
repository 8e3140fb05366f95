package timing

import (
	"testing"
	"time"
)

func TestWaitFollowsTheRoundTrip(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name    string
		samples []time.Duration
		try     int
		timeout time.Duration
		want    time.Duration
	}{
		{"nothing measured", nil, 1, 2 * time.Second, time.Second},
		{"nothing measured, again", nil, 2, 2 * time.Second, 2 * time.Second},
		{"a short timeout", nil, 1, 300 * ms, 300 * ms},
		{"near", []time.Duration{ms}, 1, 2 * time.Second, 100 * ms},
		{"near, but silence is not accepted for less than a second", []time.Duration{ms}, 2, 2 * time.Second, time.Second},
		{"near, third try", []time.Duration{ms}, 3, 2 * time.Second, 2 * time.Second},
		{"more patience than is usual", []time.Duration{ms}, 2, 10 * time.Second, 10 * time.Second},
		{"more patience than is usual, first try", []time.Duration{ms}, 1, 10 * time.Second, 100 * ms},
		{"near, and a timeout below the least", []time.Duration{ms}, 1, 20 * ms, 20 * ms},
		{"one sample: srtt + 4·rttvar is thrice it", []time.Duration{200 * ms}, 1, 2 * time.Second, 600 * ms},
		{"one far among near", []time.Duration{400 * ms, ms, ms, ms, ms, ms, ms, ms, ms, ms, ms, ms, ms, ms, ms, ms, ms, ms,
			ms, ms, ms, ms, ms, ms}, 1, 2 * time.Second, 800 * ms},
		{"beyond the timeout", []time.Duration{5 * time.Second}, 1, 2 * time.Second, 2 * time.Second},
		{"nonsense is not a sample", []time.Duration{0, -time.Second}, 1, 2 * time.Second, time.Second},
	} {
		var r Estimator
		for _, d := range tt.samples {
			r.Add(d)
		}
		if got := r.Wait(tt.try, tt.timeout); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestStampsFindTheirBatch(t *testing.T) {
	var s stamps
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	if _, ok := s.sent(0); ok {
		t.Error("a time before anything was sent")
	}
	for pass := range 2 {
		s.begin()
		const each, every, batches = 10, 3, maxStamps + 1000
		for b := range batches {
			first := uint64(b * each * every)
			s.add(first, first+(each-1)*every, at(b))
		}
		for _, b := range []int{batches - 1, batches - 2, batches / 2, 1000} {
			for _, in := range []uint64{0, 1, each - 1} {
				if got, ok := s.sent(uint64(b*each*every) + in*every); !ok || !got.Equal(at(b)) {
					t.Errorf("pass %d: batch %d was sent at %v, %v", pass, b, got.Unix(), ok)
				}
			}
		}
		if _, ok := s.sent(999 * each * every); ok {
			t.Error("a time for a batch whose stamp was overwritten")
		}
		if _, ok := s.sent(batches*each*every - 1); ok {
			t.Error("a time for a position that was not sent yet")
		}
	}
	s.begin()
	s.add(5, 9, at(1))
	s.add(5, 9, at(2)) // nothing had left
	s.add(7, 9, at(3)) // 5 and 6 had
	for pos, want := range map[uint64]int{5: 2, 6: 2, 7: 3, 9: 3} {
		if got, ok := s.sent(pos); !ok || !got.Equal(at(want)) {
			t.Errorf("position %d was sent at %v, %v; want %d", pos, got.Unix(), ok, want)
		}
	}
	if _, ok := s.sent(4); ok {
		t.Error("a time before the first position")
	}
}
