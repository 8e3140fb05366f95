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
	case t.Verbosity == record.Verbose && t.command != "check":
		t.write(v)
	case t.Verbosity == record.Verbose || len(t.kept) < phrase.MaxListed:
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

// end writes those that were kept.
func (t *violations) end() {
	for _, v := range t.kept {
		t.write(v)
	}
	if t.unlisted > 0 {
		t.line(0, 2, span{fmt.Sprintf("and %s (-v lists all)", phrase.Count(t.unlisted, "more violation",
			"more violations")), alarm})
	}
}

// total writes how many there were.
func (t *violations) total() {
	if t.count > 0 {
		t.line(0, 2, span{"expectation failed: " + phrase.Count(t.count, "violation", "violations"), alarm})
	}
}
