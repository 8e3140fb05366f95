package text

import (
	"cmp"
	"fmt"

	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/record"
)

// violations writes rules and what is not as expected: the violations of a rule
// below it, the others at the end.
type violations struct {
	*base
	kept     []record.Violation
	count    uint64
	ofRule   int    // violations of the last rule that were written
	unlisted uint64 // violations that are only counted
}

// rule writes what came of a rule: the word first, so that the eye finds what
// does not hold; what violates it follows.
func (t *violations) rule(r record.Rule) {
	t.ofRule = 0
	words := map[record.Outcome]span{record.Holds: {"holds", yes}, record.Fails: {"FAILS", alarm},
		record.CannotTell: {"can't" + phrase.NoBreak + "tell", wrong}}
	word := cmp.Or(words[r.Outcome], span{probe.Unknown.String(), wrong})
	line := []span{word, {"  " + phrase.Visible(r.Name), strong}}
	if t.Verbosity == record.Quiet {
		t.line(0, 2, line...)
		return
	}
	if found := phrase.Join(r.Found, r.Error); found != "" {
		line = append(line, span{": " + phrase.Visible(found), plain})
	}
	t.line(0, 7, line...)
}

// add writes a violation, or keeps it for the end.
func (t *violations) add(v record.Violation) {
	t.count++
	switch {
	case t.Verbosity == record.Quiet:
	case v.Rule != "" && t.ofRule >= phrase.MaxListed && t.Verbosity != record.Verbose:
		t.unlisted++
	case v.Rule != "": // its rule is the line above
		t.ofRule++
		t.line(7, 9, span{phrase.Visible(v.What) + ": expected " + phrase.Visible(v.Expected) + ", found " +
			phrase.Visible(v.Actual), bad})
	case t.Verbosity == record.Verbose || len(t.kept) < phrase.MaxRows:
		t.kept = append(t.kept, v)
	default:
		t.unlisted++
	}
}

func (t *violations) write(v record.Violation) {
	what, expected, actual := phrase.Visible(v.What), phrase.Visible(v.Expected), phrase.Visible(v.Actual)
	if v.Port != 0 {
		actual = what + " is " + actual
	} // otherwise it is a count: "expected open=0, but open=1"
	t.line(0, 2, span{fmt.Sprintf("expected %s, but %s", expected, actual), alarm})
}

// fewAlike is how many violations that are alike have a line each.
const fewAlike = 4

// end writes those that were kept. Many of which the same was expected and found are one.
func (t *violations) end() {
	type kind struct{ expected, actual string }
	var groups [][]record.Violation
	at := make(map[kind]int)
	for _, v := range t.kept {
		k := kind{v.Expected, v.Actual}
		i, known := at[k]
		if known && v.Port != 0 && t.Verbosity != record.Verbose {
			groups[i] = append(groups[i], v)
			continue
		}
		at[k] = len(groups)
		groups = append(groups, []record.Violation{v})
	}
	lines := 0
	for _, g := range groups {
		if lines >= phrase.MaxListed && t.Verbosity != record.Verbose {
			t.unlisted += uint64(len(g))
			continue
		}
		if len(g) >= fewAlike {
			t.writeAlike(g)
			lines++
			continue
		}
		for _, v := range g {
			t.write(v)
			lines++
		}
	}
	if t.unlisted > 0 {
		t.line(0, 2, span{fmt.Sprintf("and %s (-v lists all)", phrase.Count(t.unlisted, "more violation",
			"more violations")), alarm})
	}
}

// writeAlike writes violations that differ only in what they are about.
func (t *violations) writeAlike(all []record.Violation) {
	line := []span{
		{"expected " + phrase.Visible(all[0].Expected) + ", but " + phrase.Visible(all[0].Actual) + ": ", alarm},
	}
	for i, v := range all {
		if i == phrase.MaxListed {
			line = append(
				line,
				span{fmt.Sprintf(" and %s (-v lists all)", phrase.Count(uint64(len(all)-i), "more", "more")), alarm},
			)
			break
		}
		sep := ""
		if i > 0 {
			sep = ", "
		}
		line = append(line, span{sep + phrase.Visible(v.What), alarm})
	}
	t.line(0, 2, line...)
}

// total writes how many there were.
func (t *violations) total() {
	if t.count > 0 {
		t.line(0, 2, span{"expectation failed: " + phrase.Count(t.count, "violation", "violations"), alarm})
	}
}
