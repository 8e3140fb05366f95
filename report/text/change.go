package text

import (
	"fmt"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/record"
)

// maxChanges bounds the changes of one kind that are written one by one unless all are asked for.
const maxChanges = 60

// changes writes a comparison: what changed for certain by kind, and apart from it what may be none.
type changes struct {
	*base
	all     []record.Change
	certain uint64
	perhaps uint64 // and not Undecided
}

func (c *changes) change(ch record.Change) {
	switch {
	case ch.Confidence != probe.Low:
		c.certain += ch.Number()
	case ch.Undecided && c.Verbosity != record.Verbose:
		return // the coverage has how many are Undecided
	case !ch.Undecided:
		c.perhaps += ch.Number()
	}
	if c.Verbosity == record.Quiet {
		line := []span{{phrase.Visible(ch.Place()) + " ", plain}, {phrase.Visible(ch.What), toneOf(ch)}}
		if ch.Confidence == probe.Low {
			line = append(line, span{" (not certain)", faint})
		}
		c.line(0, 2, line...)
		return
	}
	c.all = append(c.all, ch)
}

// toneOf is the style of a change.
func toneOf(c record.Change) style {
	switch {
	case c.Confidence == probe.Low:
		return wrong
	case c.What == record.Appeared:
		return yes
	case c.What == record.Vanished:
		return bad
	}
	return maybe
}

// signs stand before changes of each kind, as in a patch.
var signs = map[string]string{record.Appeared: "+", record.Vanished: "-", record.Service: "~", record.Owner: "~",
	record.Changed: "~"}

func (c *changes) end(e record.End) {
	c.headline(e)
	for _, certain := range []bool{true, false} {
		var n int
		for _, kind := range record.ChangeKinds() {
			for _, ch := range c.all {
				if ch.What != kind || (ch.Confidence != probe.Low) != certain {
					continue
				}
				if n == 0 {
					c.out.WriteByte('\n')
					if !certain {
						c.line(0, 2, span{"not certain:", faint})
					}
				}
				if n++; n <= maxChanges || c.Verbosity == record.Verbose {
					c.writeChange(ch)
				}
			}
		}
		if left := n - maxChanges; left > 0 && c.Verbosity != record.Verbose {
			c.line(0, 2, span{fmt.Sprintf("and %s (-v lists all)", phrase.Count(uint64(left), "more", "more")), faint})
		}
	}
	if len(c.all) > 0 {
		c.out.WriteByte('\n')
	}
	for _, s := range e.Coverage {
		c.line(0, 2, span{phrase.Visible(s), faint})
	}
}

// headline answers in the first line.
func (c *changes) headline(e record.End) {
	if c.certain == 0 {
		text := "no change"
		if c.perhaps > 0 {
			text += " that is certain"
		}
		if !e.Complete {
			text += " in what was looked at"
		}
		c.line(0, 2, span{text, no})
		return
	}
	var parts []string
	for _, kind := range record.ChangeKinds() {
		if n := e.Summary.States[kind]; n > 0 {
			name := kind
			switch kind {
			case record.Changed:
				name = "other" + phrase.NoBreak + "state"
			case record.Service, record.Owner:
				name = "other" + phrase.NoBreak + kind
			}
			parts = append(parts, wording.Number(n)+phrase.NoBreak+name)
		}
	}
	c.line(0, 2, span{phrase.Count(c.certain, "change", "changes"), strong}, span{": " + strings.Join(parts, ", "),
		plain})
}

func (c *changes) writeChange(ch record.Change) {
	place := phrase.Visible(ch.Place())
	if ch.Count > 1 {
		place += " (" + wording.Number(ch.Count) + ")"
	}
	line := []span{{signs[ch.What] + phrase.NoBreak + place + "  ", toneOf(ch)}, {phrase.Visible(ch.New), strong},
		{", was " + phrase.Visible(ch.Old), plain}}
	if slices.Contains([]string{record.Service, record.Owner}, ch.What) {
		line[1].text = ch.What + " " + line[1].text
	}
	for _, n := range ch.Notes {
		line = append(line, span{" (" + phrase.Visible(n) + ")", faint})
	}
	c.line(0, 4, line...)
}
