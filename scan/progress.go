package scan

import "time"

// tick is how often Watch is called.
const tick = 100 * time.Millisecond

// Progress is how far a scan is. Done never decreases, and Done/Total is the share
// of the work that is known to be needed.
type Progress struct {
	Pass        int           // from 1 on
	Done, Total uint64        // probes sent, and probes sent plus those that are still to be sent
	ETA         time.Duration // at the present rate, drain included
	Open        uint64        // endpoints found open so far
	FollowedUp  uint64        // endpoints that a FollowUp is done with
	Rate        float64       // probes a second, now
}

// progress keeps what Watch needs between calls.
type progress struct {
	report func(Progress) // may be nil
	next   time.Time      // when it is called again
	last   time.Time      // when it was called
	sent   uint64         // probes by then
	rate   float64        // smoothed, probes a second
	total  uint64         // probes that will have been sent when this pass is over
}

// measure updates the rate by what was sent since the last time.
func (m *progress) measure(now time.Time, sent uint64) {
	if past := now.Sub(m.last).Seconds(); !m.last.IsZero() && past > 0 {
		rate := float64(sent-m.sent) / past
		if m.rate > 0 {
			rate = (m.rate + rate) / 2
		}
		m.rate = rate
	}
	m.last, m.sent = now, sent
}

// report emits the open endpoints that were held long enough, and calls Watch if it
// is time; drain is how long answers will be waited for after the last probe.
func (d *dispatcher) report(now time.Time, drain time.Duration) {
	d.releaseHeld(now)
	m := &d.progress
	if m.report == nil || drain > 0 && now.Before(m.next) {
		return
	}
	m.measure(now, d.sent)
	n := d.table.totals()
	p := Progress{Pass: d.pass.Number, Done: d.sent, Total: m.total, Rate: m.rate, Open: n.open}
	if d.cursor.done() && d.idle() {
		p.Total = p.Done // the rest have answered meanwhile
	}
	p.Total += n.foreseen(d.size, d.sent, d.Retries)
	rate := m.rate
	if rate == 0 {
		rate = d.pace.Rate()
	}
	p.ETA = max(drain, 0)
	if rate > 0 {
		p.ETA += time.Duration(min(float64(p.Total-p.Done)/rate, 1e9) * float64(time.Second))
	}
	m.next = now.Add(tick)
	m.report(p)
}

// idle reports whether no batch is being sent.
func (d *dispatcher) idle() bool {
	for _, s := range d.senders {
		if len(s.batch) > 0 {
			return false
		}
	}
	return true
}

// foreseen is how many probes the pass that confirms silence will need, if as many
// of all size endpoints are silent as of those asked so far. Passes that loss may
// demand later are not foreseen.
func (n *totals) foreseen(size, sent uint64, retries int) uint64 {
	if n.pass.Number != 1 || retries < 1 || sent == 0 {
		return 0
	}
	askable := uint64(max(n.sumAskable(), 0))
	return uint64(float64(askable) * float64(size) / float64(max(sent, askable, 1)))
}
