package text

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan/control"
)

// maxSpark bounds the attempts that a sparkline shows: the last ones.
const maxSpark = 60

// attempts writes attempts as they come, a line each, and what they add up to.
type attempts struct {
	*base
	some   bool
	widths [2]int                      // endpoint, state
	tracks map[probe.Endpoint][]sample // the last of each
}

// sample is one attempt: how long the answer took, or that there was none.
type sample struct {
	rtt  probe.Millis
	lost bool
}

func (a *attempts) attempt(t probe.Attempt) {
	if a.Verbosity == record.Quiet {
		return
	}
	if a.tracks == nil {
		a.tracks = make(map[probe.Endpoint][]sample)
	}
	track := append(a.tracks[t.Endpoint], sample{t.RTT, t.RTT == 0 || t.Responder.IsValid()})
	a.tracks[t.Endpoint] = track[max(0, len(track)-maxSpark):]

	a.some = true
	name := phrase.Visible(t.Endpoint.String())
	a.widths[0] = max(a.widths[0], min(phrase.Columns(name), maxAddress+len(":417/tcp")))
	a.widths[1] = max(a.widths[1], len(t.State.String()), len(probe.Filtered.String()))
	line := []span{
		{phrase.PadLeft("#"+strconv.Itoa(t.Try), 4) + "  ", faint}, {phrase.Pad(name, a.widths[0]) + "  ", plain},
		{t.State.String(), tone(t.State.String())}, {phrase.Pad("", a.widths[1]-len(t.State.String())) + "  ", plain},
	}
	var tail []string
	if t.RTT > 0 {
		tail = append(tail, phrase.PadLeft(strings.ReplaceAll(phrase.Duration(time.Duration(t.RTT)), " ",
			phrase.NoBreak), 7))
	}
	if a.Verbosity == record.Verbose || t.RTT == 0 || t.Responder.IsValid() {
		tail = append(tail, t.Reason.String())
	}
	tail = append(tail, phrase.Remarks(0, t.Reason, t.Responder, t.Error)...)
	if a.Verbosity == record.Verbose {
		tail = append(tail, t.Time.UTC().Format("15:04:05.000Z"))
	}
	a.line(0, 6, append(line, span{strings.Join(tail, "  "), plain})...)
}

// gap separates the attempts from the verdicts.
func (a *attempts) gap() {
	if a.some {
		a.apart()
		a.some = false
	}
}

// statistics writes what the attempts at one endpoint add up to.
func (a *attempts) statistics(indent int, e probe.Endpoint, s *probe.Attempts) {
	if s == nil {
		return
	}
	line := wording.Number(s.Answered) + " of " + wording.Number(s.Sent) + " answered, loss" + phrase.NoBreak +
		phrase.Percent(s.Loss)
	if s.Answered > 0 {
		line += "; " + phrase.Durations([]string{"min", "avg", "max", "stddev"}, s.Min, s.Avg, s.Max, s.StdDev)
	}
	a.line(indent, indent+2, span{line, plain})
	if track := a.tracks[e]; a.Width > 0 && len(track) > 1 && s.Answered > 0 {
		room := max(1, a.Width-indent-1)
		a.line(indent, indent, span{spark(track[max(0, len(track)-room):], a.ASCII), faint})
	}
	delete(a.tracks, e)
}

// lost stands in a sparkline for an attempt that brought no answer.
const lost = 'x'

// spark draws times as a line of bars, from the shortest to the longest.
func spark(track []sample, ascii bool) string {
	var times []probe.Millis
	for _, s := range track {
		if !s.lost {
			times = append(times, s.rtt)
		}
	}
	low, high := probe.Millis(0), probe.Millis(0)
	if len(times) > 0 {
		low, high = slices.Min(times), slices.Max(times)
	}
	var b strings.Builder
	for _, s := range track {
		switch {
		case s.lost:
			b.WriteRune(lost)
		case high-low < low/5: // noise is no mountain
			b.WriteRune(bar(0, ascii))
		default:
			b.WriteRune(bar(float64(s.rtt-low)/float64(high-low), ascii))
		}
	}
	return b.String()
}

// bar is a share, 0 to 1, as a bar of that height.
func bar(share float64, ascii bool) rune {
	bars := []rune("▁▂▃▄▅▆▇█")
	if ascii {
		bars = []rune("_.-=+*%#")
	}
	return bars[int(share*float64(len(bars)-1)+0.5)]
}

// shares draws which share of the control probes was answered, a bar for each window. Windows
// without probes are blank.
func shares(windows []control.Window, ascii bool) string {
	var b strings.Builder
	for i, w := range windows {
		if i > 0 {
			gap := w.From.Sub(windows[i-1].To) / max(w.To.Sub(w.From), 1)
			b.WriteString(strings.Repeat(" ", int(min(max(gap, 0), maxSpark))))
		}
		b.WriteRune(bar(float64(min(w.Answered, w.Asked))/float64(max(w.Asked, 1)), ascii))
	}
	return b.String()
}
