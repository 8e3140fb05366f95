package scan

import "time"

// tick is how often Watch is told.
const tick = 100 * time.Millisecond

// monitor remembers what Watch needs between calls.
type monitor struct {
	next  time.Time // when Watch is told again
	last  time.Time // when it was told
	sent  uint64    // probes by then
	rate  float64   // smoothed
	total uint64    // probes that will have been sent when this pass is over
}

// watch tells what was held back, and Watch how far the sweep is, if it is time for
// them; drain is how long answers will be waited for after the last probe.
func (s *sweep) watch(now time.Time, drain time.Duration) {
	s.tellFresh(now)
	m := &s.monitor
	if s.Watch == nil || drain > 0 && now.Before(m.next) {
		return
	}
	m.measure(now, s.sent)
	p := Progress{Pass: s.passes, Done: s.sent, Total: m.total, Rate: m.rate}
	if s.walk.pos >= s.walk.end && s.idle() {
		p.Total = p.Done // those that were owed have answered meanwhile
	}
	p.Total += s.foreseen()
	rate := m.rate
	if rate == 0 {
		rate = s.pace.now()
	}
	p.ETA = max(drain, 0)
	if rate > 0 {
		p.ETA += time.Duration(min(float64(p.Total-p.Done)/rate, 1e9) * float64(time.Second))
	}
	s.mu.Lock()
	p.Open = s.open
	s.mu.Unlock()
	m.next = now.Add(tick)
	s.Watch(p)
}

// idle reports whether no batch is being sent.
func (s *sweep) idle() bool {
	for _, h := range s.crew {
		if len(h.batch) > 0 {
			return false
		}
	}
	return true
}

// foreseen is how many probes the pass that confirms silence will need, if as
// many of all endpoints are silent as of those asked so far. Passes that loss
// may demand later are not foreseen.
func (s *sweep) foreseen() uint64 {
	if s.passes != 1 || s.Retries < 1 || s.sent == 0 {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var owed int64
	for _, n := range s.owed {
		owed += n
	}
	return uint64(float64(max(owed, 0)) * float64(s.size) / float64(max(s.sent, uint64(max(owed, 1)))))
}

// measure updates the rate by what was sent since the last time.
func (m *monitor) measure(now time.Time, sent uint64) {
	if past := now.Sub(m.last).Seconds(); !m.last.IsZero() && past > 0 {
		rate := float64(sent-m.sent) / past
		if m.rate > 0 {
			rate = (m.rate + rate) / 2
		}
		m.rate = rate
	}
	m.last, m.sent = now, sent
}
