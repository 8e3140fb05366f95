package simnet_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"onmux/scan/simnet"
)

// TestWay counts what becomes of questions.
func TestWay(t *testing.T) {
	w := simnet.Way{RTT: time.Second, Jitter: time.Second, LossOut: 0.1, LossBack: 0.2, Twice: 0.5}
	asked, answered, twice, sum := 0, 0, 0, time.Duration(0)
	const n = 10000
	for _, p := range probes(n, 1) {
		p.Endpoint.Port = uint16(p.Index)
		trip := w.Trip(417, p.Endpoint, 2)
		if again := w.Trip(417, p.Endpoint, 2); again.Asked != trip.Asked || !slices.Equal(again.Arrivals, trip.Arrivals) {
			t.Fatal("the same seed makes two ways")
		}
		if trip.Asked {
			asked++
		}
		if len(trip.Arrivals) == 0 {
			continue
		}
		answered++
		twice += len(trip.Arrivals) - 1
		if a := trip.Arrivals[0]; !trip.Asked || a < w.RTT || a > w.RTT+w.Jitter || len(trip.Arrivals) == 2 && trip.Arrivals[1] < a {
			t.Fatalf("%+v", trip)
		}
		sum += trip.Arrivals[0]
	}
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"asked", float64(asked) / n, 0.9}, {"answered", float64(answered) / n, 0.9 * 0.8},
		{"twice", float64(twice) / float64(answered), 0.5}, {"seconds", sum.Seconds() / float64(answered), 1.5},
	} {
		if math.Abs(c.got-c.want) > 0.03 {
			t.Errorf("%s %.3f, want about %.2f", c.what, c.got, c.want)
		}
	}
}
