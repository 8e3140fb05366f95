package control

import (
	"cmp"
	"slices"
	"time"
)

const (
	maxOutages = 4                      // that are reported each by itself
	maxWindows = 60                     // that a scan is divided into
	minWindow  = 250 * time.Millisecond // the shortest
)

// Outage is a time in which the path had failed.
type Outage struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Share float64   `json:"share"` // of controls that answered then, 0 to 1
	Lost  bool      `json:"-"`     // it had not recovered when the scan gave up
}

// Window is what became of the control probes that left in a part of a scan.
type Window struct {
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Asked    uint64    `json:"asked"`
	Answered uint64    `json:"answered"`
}

// Summary is what a scan has asked of controls.
type Summary struct {
	Asked    uint64   `json:"asked"` // control probes
	Answered uint64   `json:"answered"`
	Named    int      `json:"named,omitzero"`    // endpoints that the user named
	Worst    *Outage  `json:"worst,omitempty"`   // the longest time in which silence was no evidence
	Windows  []Window `json:"windows,omitempty"` // of equal length; those without a probe are left out
}

// Summary sums up what was asked; it is nil if nothing was.
func (w *Watch) Summary() *Summary {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := &w.controls
	if c.asked == 0 {
		return nil
	}
	s := &Summary{Asked: c.asked, Answered: c.hits, Named: c.Named, Windows: c.windows.list()}
	for _, o := range w.outages {
		if o := o; s.Worst == nil || o.To.Sub(o.From) > s.Worst.To.Sub(s.Worst.From) {
			s.Worst = &o
		}
	}
	return s
}

// Outages are the longest times in which a path had failed, in the order of time.
func (w *Watch) Outages() []Outage {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.SortedFunc(slices.Values(w.outages), func(a, b Outage) int {
		return cmp.Compare(b.To.Sub(b.From), a.To.Sub(a.From))
	})
	all = all[:min(len(all), maxOutages)]
	slices.SortFunc(all, func(a, b Outage) int { return a.From.Compare(b.From) })
	return all
}

// addOutage notes a sure void.
func (w *Watch) addOutage(v Void) {
	w.outages = append(w.outages, Outage{From: v.From.At.UTC(), To: v.To.At.UTC(), Share: v.Share, Lost: v.Lost})
}

// windows counts control probes by when they left. Windows grow with the scan, so that
// there are never more than maxWindows.
type windows struct {
	begun  time.Time
	length time.Duration
	counts [maxWindows]tally
}

// at is the window of a time; the first call begins the first window.
func (w *windows) at(t time.Time) *tally {
	if w.begun.IsZero() {
		w.begun, w.length = t, minWindow
	}
	for t.Sub(w.begun) >= maxWindows*w.length {
		for i := range w.counts[:maxWindows/2] {
			w.counts[i] = w.counts[2*i]
			w.counts[i].asked += w.counts[2*i+1].asked
			w.counts[i].answered += w.counts[2*i+1].answered
		}
		clear(w.counts[maxWindows/2:])
		w.length *= 2
	}
	return &w.counts[max(t.Sub(w.begun)/w.length, 0)]
}

func (w *windows) list() (out []Window) {
	for i, n := range w.counts {
		if n.asked > 0 {
			from := w.begun.Add(time.Duration(i) * w.length).UTC()
			out = append(out, Window{from, from.Add(w.length), uint64(n.asked), uint64(n.answered)})
		}
	}
	return out
}
