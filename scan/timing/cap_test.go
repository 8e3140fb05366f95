package timing

import (
	"math"
	"testing"
	"time"
)

func TestPaceCapsNetworks(t *testing.T) {
	for _, tt := range []struct{ rate, most, in10s float64 }{
		{math.Inf(1), 1000, 10_250},
		{1e6, 1000, 10_250},
		{1e6, 0.5, 5},
		{2000, 1000, 10_250},
		{1000, 2000, 10_000},
		{500, math.Inf(1), 5000},
	} {
		start := time.Unix(0, 0)
		p := NewPacer(tt.rate, start)
		p.CapNetworks(tt.most)
		sent, _ := spin(p, start, 10*time.Second, nil)
		if math.Abs(float64(sent)-tt.in10s) > max(2, tt.in10s/50) {
			t.Errorf("at %v, capped at %v: %d in 10 s, want %v", tt.rate, tt.most, sent, tt.in10s)
		}
		if held := p.capped > 0; held != (tt.most < tt.rate) {
			t.Errorf("at %v, capped at %v: held is %v", tt.rate, tt.most, p.capped)
		}
	}
}
