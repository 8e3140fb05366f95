package text

import (
	"cmp"

	"onmux/probe"
	"onmux/report/phrase"
	"onmux/report/record"
)

// rule writes what came of a rule: the word first, so that the eye finds what
// does not hold; what violates it follows.
func (t *textWriter) rule(r record.Rule) {
	t.ofRule = 0
	words := map[record.Outcome]span{record.Holds: {"holds", yes}, record.Fails: {"FAILS", alarm}, record.CannotTell: {"can't" + phrase.NoBreak + "tell", wrong}}
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
