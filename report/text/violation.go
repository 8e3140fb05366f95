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
	ofRule   []record.Violation // of the last rule, which wait for the next
	kept     []record.Violation // of no rule
	count    uint64
	unlisted uint64 // violations that are only counted
}

// rule writes what came of a rule: the word first, so that the eye finds what
// does not hold; what violates it follows.
func (t *violations) rule(r record.Rule) {
	t.endRule()
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

// add keeps a violation, until the end of its rule or of the report.
func (t *violations) add(v record.Violation) {
	t.count++
	switch {
	case t.Verbosity == record.Quiet:
	case v.Rule != "": // its rule is the line above
		t.ofRule = append(t.ofRule, v)
	case t.Verbosity == record.Verbose || len(t.kept) < phrase.MaxViolations:
		t.kept = append(t.kept, v)
	default:
		t.unlisted++
	}
}

// endRule writes the violations of the last rule.
func (t *violations) endRule() {
	left := t.list(t.ofRule, func(places string, v record.Violation) {
		t.line(7, 9, span{places + ": expected " + phrase.Visible(v.Expected) + ", found " + phrase.Visible(v.Actual), bad})
	}, func(places string, v record.Violation) {
		t.line(7, 9, span{"expected " + phrase.Visible(v.Expected) + ", found " + phrase.Visible(v.Actual) + ": " + places,
			bad})
	})
	t.more(left, 7)
	t.ofRule = nil
}

// end writes those of no rule.
func (t *violations) end() {
	phrase.ByAddress(t.kept)
	left := t.list(t.kept, func(places string, v record.Violation) {
		found := phrase.Visible(v.Actual + record.From(v.Zone)) // of a count: "expected open=0, but open=1"
		if v.Port != 0 {
			found = places + " is " + phrase.Visible(v.Actual)
		}
		t.line(0, 2, span{fmt.Sprintf("expected %s, but %s", phrase.Visible(v.Expected), found), alarm})
	}, func(places string, v record.Violation) {
		t.line(0, 2, span{fmt.Sprintf("expected %s, but %s: %s", phrase.Visible(v.Expected), phrase.Visible(v.Actual),
			places), alarm})
	})
	t.more(t.unlisted+left, 0)
}

// list writes violations: one by one, or many of which the same was expected and found
// together. It returns how many it left out.
func (t *violations) list(all []record.Violation, one, together func(string, record.Violation)) (left uint64) {
	if t.Verbosity == record.Verbose {
		for _, v := range all {
			one(phrase.Visible(v.What), v)
		}
		return 0
	}
	lines := 0
	for _, g := range phrase.Alike(all) {
		if lines >= phrase.MaxListed {
			left += uint64(len(g))
			continue
		}
		if len(g) > phrase.FewAlike {
			together(phrase.Places(g), g[0])
			lines++
			continue
		}
		for _, v := range g {
			one(phrase.Visible(v.What), v)
			lines++
		}
	}
	return left
}

func (t *violations) more(n uint64, indent int) {
	if n > 0 {
		t.line(indent, 2, span{fmt.Sprintf("and %s (-v lists all)", phrase.Count(n, "more violation",
			"more violations")), alarm})
	}
}

// total writes how many there were.
func (t *violations) total() {
	if t.count > 0 {
		t.line(0, 2, span{"expectation failed: " + phrase.Count(t.count, "violation", "violations"), alarm})
	}
}
