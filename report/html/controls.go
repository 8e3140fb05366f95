package html

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/scan/control"
)

// stripWidth and stripHeight are the units of the drawing, which is as wide as the page.
const stripWidth, stripHeight = 1000, 40

// controlStrip draws which share of the control probes was answered over the time of a scan:
// a bar for each window, in the frame of the share 1.
func controlStrip(b *bytes.Buffer, c *control.Summary) {
	if c == nil || len(c.Windows) < 2 {
		return
	}
	begun, ended, lowest := c.Windows[0].From, c.Windows[0].To, c.Windows[0]
	for _, w := range c.Windows[1:] {
		if w.From.Before(begun) {
			begun = w.From
		}
		if w.To.After(ended) {
			ended = w.To
		}
		if shareOf(w) < shareOf(lowest) {
			lowest = w
		}
	}
	whole := max(ended.Sub(begun), 1)
	at := func(t time.Time) float64 {
		return min(max(float64(t.Sub(begun))/float64(whole), 0), 1) * stripWidth
	}
	var bars strings.Builder
	for _, w := range c.Windows {
		x := at(w.From)
		width := max(at(w.To)-x, 1)
		height := shareOf(w) * stripHeight
		class := "asked"
		if w.Answered == 0 {
			class = "asked lost"
		}
		fmt.Fprintf(&bars, "<g><title>%s</title><rect class=\"%s\" x=\"%.1f\" y=\"0\" width=\"%.1f\" height=\"%d\"/>"+
			"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/></g>\n",
			windowText(w, begun), class, x, width, stripHeight, x, stripHeight-height, width, height)
	}
	fmt.Fprintf(b, "<h3>Controls</h3>\n<figure class=\"controls\">\n<svg viewBox=\"0 0 %d %d\" "+
		"preserveAspectRatio=\"none\" role=\"img\" aria-label=\"The share of controls that answered, over the time; "+
		"least %s\">\n%s</svg>\n<figcaption><span>start</span><span>share of endpoints known to answer that did so again; "+
		"least: %s</span><span>%s</span></figcaption>\n</figure>\n",
		stripWidth, stripHeight, windowText(lowest, begun), bars.String(), windowText(lowest, begun),
		phrase.Duration(whole))
}

func shareOf(w control.Window) float64 {
	return float64(min(w.Answered, w.Asked)) / float64(max(w.Asked, 1))
}

// windowText is "4 of 7 after 3.2 s".
func windowText(w control.Window, begun time.Time) string {
	when := "at the start"
	if after := w.From.Sub(begun); after > 0 {
		when = "after " + phrase.Duration(after)
	}
	return fmt.Sprintf("%s of %s %s", wording.Number(w.Answered), wording.Number(w.Asked), when)
}
