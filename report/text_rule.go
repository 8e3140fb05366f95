package report

import (
	"cmp"

	"onmux/probe"
)

// rule tells what came of a rule: the word first, so that the eye finds what
// does not hold; what violates it follows.
func (t *teller) rule(r Rule) {
	t.ofRule = 0
	words := map[Outcome]span{Holds: {"holds", yes}, Fails: {"FAILS", alarm}, CannotTell: {"can't" + glue + "tell", wrong}}
	word := cmp.Or(words[r.Outcome], span{probe.Unknown.String(), wrong})
	line := []span{word, {"  " + Visible(r.Name), strong}}
	if t.Verbosity == Quiet {
		t.line(0, 2, line...)
		return
	}
	if found := lines(r.Found, r.Error); found != "" {
		line = append(line, span{": " + Visible(found), plain})
	}
	t.line(0, 7, line...)
}
