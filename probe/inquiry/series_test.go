package inquiry

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"onmux/probe"
	"onmux/report/phrase/evidence"
)

// outcome is what one attempt finds.
type outcome struct {
	state  probe.State
	reason probe.Reason
	rtt    time.Duration
}

var (
	isOpen   = outcome{probe.Open, probe.SynAck, 2 * time.Millisecond}
	isClosed = outcome{probe.Closed, probe.Reset, time.Millisecond}
	isSilent = outcome{state: probe.Filtered, reason: probe.NoResponse}
	isBarred = outcome{probe.Filtered, probe.AdminProhibited, time.Millisecond}
	isBroken = outcome{state: probe.Unknown, reason: probe.LocalError}
)

var target = probe.Endpoint{Addr: netip.MustParseAddr("192.0.2.1"), Port: 417, Proto: probe.TCP}

// play answers with one outcome after the other; each takes took.
func play(took time.Duration, all ...outcome) func(context.Context) (probe.Result, error) {
	n := 0
	return func(ctx context.Context) (probe.Result, error) {
		o := all[n%len(all)]
		n++
		select {
		case <-ctx.Done():
			return probe.Result{}, ctx.Err()
		case <-time.After(took):
		}
		r := probe.Result{Endpoint: target, State: o.state, Reason: o.reason, RTT: probe.Millis(o.rtt), Tries: 1,
			Confidence: probe.High}
		if o == isBarred {
			r.ICMP, r.Responder = probe.ICMP{Type: 3, Code: 13}, netip.MustParseAddr("192.0.2.9")
		}
		return r, nil
	}
}

func TestRepeatVerdict(t *testing.T) {
	for _, tt := range []struct {
		name       string
		all        []outcome
		state      probe.State
		reason     probe.Reason
		answered   int
		confidence probe.Confidence
		note       string
	}{
		{"one", []outcome{isOpen}, probe.Open, probe.SynAck, 1, probe.High, ""},
		{"silence", []outcome{isSilent, isSilent}, probe.Filtered, probe.NoResponse, 0, probe.High, ""},
		{"one lost in between", []outcome{isOpen, isSilent, isOpen}, probe.Open, probe.SynAck, 2, probe.High, ""},
		{"the last lost", []outcome{isOpen, isOpen, isSilent}, probe.Open, probe.SynAck, 2, probe.High,
			"the last try had no answer"},
		{"the last two lost", []outcome{isOpen, isSilent, isSilent}, probe.Open, probe.SynAck, 1, probe.High,
			"the last 2 tries had no answer"},
		{"gone", []outcome{isOpen, isSilent, isSilent, isSilent}, probe.Filtered, probe.NoResponse, 1, probe.High,
			"it was open up to try 1; the 3 tries since had no answer"},
		{"closed in the end", []outcome{isOpen, isOpen, isClosed}, probe.Closed, probe.Reset, 3, probe.Medium,
			"contradict each other: 2 open, 1 closed; the last one counts"},
		{"a router forbids it", []outcome{isBarred, isSilent}, probe.Filtered, probe.AdminProhibited, 0, probe.High,
			"the last try"},
		{"nothing could be sent at last", []outcome{isOpen, isBroken}, probe.Open, probe.SynAck, 1, probe.High,
			"the last try"},
		{"nothing could be sent", []outcome{isBroken}, probe.Unknown, probe.LocalError, 0, probe.High, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			emitted := 0
			r, err := Repeat{Count: len(tt.all), Interval: time.Second}.Run(t.Context(), play(time.Millisecond, tt.all...),
				func(a probe.Attempt) {
					if emitted++; a.Try != emitted || a.State != tt.all[emitted-1].state || a.Endpoint != target {
						t.Errorf("%s: attempt %d is %+v", tt.name, emitted, a)
					}
				})
			if err != nil || r.State != tt.state || r.Reason != tt.reason || r.Confidence != tt.confidence ||
				r.Tries != len(tt.all) || emitted != len(tt.all) {
				t.Errorf("%s: %s %s, %s confidence, %d tries, %d emitted, %v", tt.name, r.State, r.Reason, r.Confidence, r.Tries,
					emitted, err)
			}
			notes := strings.Join(evidence.Notes(&r), "; ")
			if !strings.Contains(notes, tt.note) || tt.note == "" && notes != "" {
				t.Errorf("%s: notes %q", tt.name, notes)
			}
			a := r.Attempts
			sum := 0
			for _, n := range a.States {
				sum += n
			}
			if a.Sent != len(tt.all) || sum != a.Sent || a.Answered != tt.answered ||
				math.Abs(a.Loss-(1-float64(tt.answered)/float64(len(tt.all)))) > 1e-9 {
				t.Errorf("%s: %+v", tt.name, *a)
			}
			if a.Answered == 0 && (a.Min != 0 || a.Avg != 0 || a.StdDev != 0) {
				t.Errorf("%s: times of no answer: %+v", tt.name, *a)
			}
		})
	}
}

func TestRepeatTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []outcome
		for _, ms := range []int{2, 4, 4, 4, 5, 5, 7, 9} { // mean 5, deviation 2
			all = append(all, outcome{probe.Open, probe.SynAck, time.Duration(ms) * time.Millisecond})
		}
		start := time.Now()
		var begun []time.Duration
		r, err := Repeat{Count: len(all), Interval: time.Second}.Run(t.Context(), play(100*time.Millisecond, all...),
			func(a probe.Attempt) { begun = append(begun, a.Time.Sub(start)) })
		a := r.Attempts
		ms := func(n int) probe.Millis { return probe.Millis(n) * probe.Millis(time.Millisecond) }
		if err != nil || a.Min != ms(2) || a.Avg != ms(5) || a.Max != ms(9) || a.StdDev != ms(2) {
			t.Errorf("%+v, %v", *a, err)
		}
		for i, at := range begun {
			if at != time.Duration(i)*time.Second {
				t.Errorf("attempt %d began after %s", i+1, at)
			}
		}
		if took := time.Since(start); took != 7*time.Second+100*time.Millisecond {
			t.Errorf("it took %s: there is nothing to wait for after the last", took)
		}
	})
}

// An attempt that takes longer than the interval is not overtaken.
func TestRepeatSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		Repeat{Count: 3, Interval: time.Second}.Run(t.Context(), play(3*time.Second, isSilent), func(probe.Attempt) {})
		if took := time.Since(start); took != 9*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// What was found when the context ends is kept, and what was cut off is not
// counted.
func TestRepeatInterrupted(t *testing.T) {
	for _, tt := range []struct {
		name  string
		took  time.Duration // one attempt
		after time.Duration
		sent  int
	}{{"while waiting", 10 * time.Millisecond, 2500 * time.Millisecond, 3}, {"during an attempt", 900 * time.Millisecond,
		2500 * time.Millisecond, 2}, {"at once", time.Second, 0, 0}} {
		for _, count := range []int{0, 10} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.after)
				defer cancel()
				emitted := 0
				r, err := Repeat{Count: count, Interval: time.Second}.Run(ctx, play(tt.took, isOpen),
					func(probe.Attempt) { emitted++ })
				if !errors.Is(err, context.DeadlineExceeded) || emitted != tt.sent || r.Tries != tt.sent ||
					(r.Attempts != nil) != (tt.sent > 0) {
					t.Errorf("%s: %d emitted, %d tries, %+v, %v", tt.name, emitted, r.Tries, r.Attempts, err)
				}
			})
		}
	}
}

// The ports of hosts that bound their own unreachables are not lossy links.
func TestRepeatRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		udp := outcome{probe.Closed, probe.PortUnreach, time.Millisecond}
		attempt := play(0, udp, outcome{state: probe.OpenFiltered, reason: probe.NoResponse})
		r, _ := Repeat{Count: 4, Interval: time.Second}.Run(t.Context(), func(ctx context.Context) (probe.Result, error) {
			r, err := attempt(ctx)
			r.Proto = probe.UDP
			return r, err
		}, func(probe.Attempt) {})
		if r.State != probe.Closed || !strings.Contains(strings.Join(evidence.Notes(&r), "; "), "hosts limit how many") {
			t.Errorf("%s, %+v", r.State, r.Facts)
		}
	})
}
