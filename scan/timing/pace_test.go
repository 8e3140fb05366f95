package timing

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"
)

// spin runs a pacer on a clock of its own for d and counts what leaves; busy
// returns the error of an engine that is short of something after that time.
func spin(p *Pacer, now time.Time, d time.Duration, busy func(time.Duration) error) (sent int, end time.Time) {
	for start := now; now.Sub(start) < d; {
		if busy != nil {
			if err := busy(now.Sub(start)); err != nil {
				p.SlowDown(now, err)
				now = now.Add(Backoff)
				continue
			}
		}
		if w := p.Wait(now); w > 0 {
			now = now.Add(w)
			continue
		}
		n := p.Batch()
		p.Spend(n)
		sent += n
		if math.IsInf(p.rate, 1) {
			now = now.Add(time.Microsecond)
		}
	}
	return sent, now
}

func TestPaceKeepsItsRate(t *testing.T) {
	for _, rate := range []float64{0.5, 1, 3, 100, 999, 10_000, 12_345, 1e6, 5e6} {
		start := time.Unix(0, 0)
		d := max(time.Second, time.Duration(20/rate*float64(time.Second)))
		sent, _ := spin(NewPacer(rate, start), start, d, nil)
		want := rate * d.Seconds()
		if extra := float64(sent) - want; math.Abs(extra) > max(2, want/50) {
			t.Errorf("at %v a second %d left in %v", rate, sent, d)
		}
	}
}

func TestPaceNeverBursts(t *testing.T) {
	start := time.Unix(0, 0)
	p := NewPacer(10_000, start)
	late := start.Add(time.Hour) // the machine was asleep
	sent := 0
	for p.Wait(late) == 0 {
		p.Spend(p.Batch())
		sent += p.Batch()
	}
	if want := 10_000 * burst.Seconds(); float64(sent) > want {
		t.Errorf("%d left at once after an hour of sleep, allowed are %v", sent, want)
	}
}

func TestPaceFollowsShortage(t *testing.T) {
	for _, rate := range []float64{50, 10_000, 1e6, math.Inf(1)} {
		start := time.Unix(0, 0)
		p := NewPacer(rate, start)
		_, now := spin(p, start, time.Second, nil)
		p.SlowDown(now, errors.New("out of local ports"))
		slow := p.rate
		if rate > minSlowed && !(slow < rate) || rate <= minSlowed && slow != rate {
			t.Errorf("%v a second became %v", rate, slow)
		}
		for range 1000 { // all of one event
			p.SlowDown(now, errors.New("out of local ports"))
		}
		if p.rate != slow {
			t.Errorf("one event slowed %v to %v and on to %v", rate, slow, p.rate)
		}
		_, now = spin(p, now, 20*time.Second, func(time.Duration) error { return errors.New("out of local ports") })
		if floor := min(rate, minSlowed); p.rate != floor {
			t.Errorf("%v a second fell to %v, the floor is %v", rate, p.rate, floor)
		}
		if rate > minSlowed && (p.slowest != 100 || fmt.Sprint(p.why) != "out of local ports") {
			t.Errorf("slowed to %v by %v", p.slowest, p.why)
		}
		before := p.rate
		for at := now; p.rate < rate && at.Sub(now) < time.Minute; at = at.Add(recovery) {
			p.recover(at)
			if p.rate < before {
				t.Fatalf("the rate fell from %v to %v without a shortage", before, p.rate)
			}
			before = p.rate
		}
		if p.rate != rate {
			t.Errorf("%v a second is %v a minute after the shortage", rate, p.rate)
		}
	}
}
