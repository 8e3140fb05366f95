package report

import (
	"fmt"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/wording"
)

// maxChanges bounds the changes of one kind that are told one by one unless all
// are asked for.
const maxChanges = 60

// changes tells a comparison: what changed for certain by kind, and apart from
// it what may be none.
type changes struct {
	*teller
	all     []Change
	certain uint64
	perhaps uint64
}

func (c *changes) change(ch Change) {
	if ch.Confidence == probe.Low {
		c.perhaps += ch.number()
	} else {
		c.certain += ch.number()
	}
	if c.Verbosity == Quiet {
		c.line(0, 2, span{Visible(ch.place()) + " ", plain}, span{Visible(ch.What), toneOf(ch)})
		return
	}
	c.all = append(c.all, ch)
}

// toneOf is the style of a change.
func toneOf(c Change) style {
	switch {
	case c.Confidence == probe.Low:
		return wrong
	case c.What == Appeared:
		return yes
	case c.What == Vanished:
		return bad
	}
	return maybe
}

// signs stand before changes of each kind, as in a patch.
var signs = map[string]string{Appeared: "+", Vanished: "-", Service: "~", Owner: "~", Changed: "~"}

func (c *changes) end(e End) {
	c.headline(e)
	for _, certain := range []bool{true, false} {
		var told int
		for _, kind := range ChangeKinds() {
			for _, ch := range c.all {
				if ch.What != kind || (ch.Confidence != probe.Low) != certain {
					continue
				}
				if told == 0 {
					c.out.WriteByte('\n')
					if !certain {
						c.line(0, 2, span{"not certain:", faint})
					}
				}
				if told++; told <= maxChanges || c.Verbosity == Verbose {
					c.tellChange(ch)
				}
			}
		}
		if left := told - maxChanges; left > 0 && c.Verbosity != Verbose {
			c.line(0, 2, span{fmt.Sprintf("and %s (-v lists all)", counted(uint64(left), "more", "more")), faint})
		}
	}
	if len(c.all) > 0 {
		c.out.WriteByte('\n')
	}
	for _, s := range e.Coverage {
		c.line(0, 2, span{Visible(s), faint})
	}
}

// headline answers in the first line.
func (c *changes) headline(e End) {
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
	for _, kind := range ChangeKinds() {
		if n := e.Summary.States[kind]; n > 0 {
			name := kind
			switch kind {
			case Changed:
				name = "other" + glue + "state"
			case Service, Owner:
				name = "other" + glue + kind
			}
			parts = append(parts, wording.Number(n)+glue+name)
		}
	}
	c.line(0, 2, span{counted(c.certain, "change", "changes"), strong}, span{": " + strings.Join(parts, ", "), plain})
}

func (c *changes) tellChange(ch Change) {
	place := Visible(ch.place())
	if ch.Count > 1 {
		place += " (" + wording.Number(ch.Count) + ")"
	}
	line := []span{{signs[ch.What] + glue + place + "  ", toneOf(ch)}, {Visible(ch.New), strong}, {", was " + Visible(ch.Old), plain}}
	if slices.Contains([]string{Service, Owner}, ch.What) {
		line[1].text = ch.What + " " + line[1].text
	}
	for _, n := range ch.Notes {
		line = append(line, span{" (" + Visible(n) + ")", faint})
	}
	c.line(0, 4, line...)
}
