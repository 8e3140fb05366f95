package simnet_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"onmux/scan/simnet"
)

// TestPath counts what becomes of questions.
func TestPath(t *testing.T) {
	w := simnet.Path{RTT: time.Second, Jitter: time.Second, LossOut: 0.1, LossBack: 0.2, Duplicate: 0.5}
	asked, answered, twice, sum := 0, 0, 0, time.Duration(0)
	const n = 10000
	for _, p := range probes(n, 1) {
		p.Endpoint.Port = uint16(p.Index)
		d := w.Deliver(417, p.Endpoint, 2)
		if again := w.Deliver(417, p.Endpoint, 2); again.Arrived != d.Arrived || !slices.Equal(again.Answers, d.Answers) {
			t.Fatal("the same seed makes two paths")
		}
		if d.Arrived {
			asked++
		}
		if len(d.Answers) == 0 {
			continue
		}
		answered++
		twice += len(d.Answers) - 1
		if a := d.Answers[0]; !d.Arrived || a < w.RTT || a > w.RTT+w.Jitter || len(d.Answers) == 2 && d.Answers[1] < a {
			t.Fatalf("%+v", d)
		}
		sum += d.Answers[0]
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
