package expect

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/local/firewall"
	"onmux/probe/wording"
	"onmux/report/phrase"
	"onmux/report/record"
	"onmux/scan"
)

// Expectation is what must hold: every endpoint (or, for check, every port) has
// one of some words, or so many of them have a word.
type Expectation struct {
	text  string
	words []string // allowed for each; or, with op, the one that is counted
	op    string   // "", "=", "!=", "<", "<=", ">", ">="
	count uint64

	holder   *Holder   // of who holds a port, instead of words
	endpoint *endpoint // of the service on an endpoint, instead of words
	field    *field    // of one field of that, likewise
	clients  *clients  // of who has flows, instead of words
}

func (e Expectation) String() string { return e.text }

// IsCount reports whether it is about the number of records with a word.
func (e Expectation) IsCount() bool { return e.op != "" }

// Parse reads "closed,filtered", "open=0", "open>=1", "certificate=valid" and the like.
// The words are verdicts for the command check, states for all others.
func Parse(text, command string) (Expectation, error) {
	if e, ok, err := parseClients(text, command); ok {
		return e, err
	}
	if e, ok, err := parseField(text, command); ok {
		return e, err
	}
	e := Expectation{text: strings.ReplaceAll(text, " ", "")}
	vocabulary := record.Words(command)
	left := e.text
	if i := strings.IndexAny(e.text, "<>=!"); i >= 0 {
		left = e.text[:i]
		number := strings.TrimLeft(e.text[i:], "<>=!")
		e.op = strings.Replace(e.text[i:len(e.text)-len(number)], "==", "=", 1)
		n, err := strconv.ParseUint(number, 10, 64)
		if !slices.Contains([]string{"=", "!=", "<", "<=", ">", ">="}, e.op) || err != nil {
			return e, fmt.Errorf("%q is not a count: write open=0, open>=1 or open<3", text)
		}
		e.count = n
		if strings.Contains(left, ",") {
			return e, fmt.Errorf("a count is of one word, not of %q", left)
		}
	}
	for _, w := range strings.Split(left, ",") {
		if !slices.Contains(vocabulary, w) {
			return e, fmt.Errorf("%q is not among the words: %s%s", w, strings.Join(vocabulary, ", "),
				wording.DidYouMean(w, vocabulary))
		}
		e.words = append(e.words, w)
	}
	return e, nil
}

// Judge holds a stream against expectations. It keeps counts, not records.
type Judge struct {
	Strict bool // what may be a change leaves the outcome open

	expect   []Expectation
	names    nameJudge
	zones    []*zoneCounts
	failed   bool
	doubt    string // why the outcome is not known; of several reasons the first
	complete bool

	firewalls map[probe.Port][]firewall.Outcome // of ports, where a holder's reach is expected
}

// SetNames sets how the addresses of a name count, before the first finding.
func (j *Judge) SetNames(n Names) { j.names.Names = n }

// NewJudge starts with no findings. Without expectations a stream holds if
// everything in it could be measured.
func NewJudge(expect []Expectation) *Judge {
	return &Judge{expect: expect, complete: true,
		firewalls: make(map[probe.Port][]firewall.Outcome)}
}

// Finding takes one record and returns how it violates what is expected of each.
// One that could not be measured violates nothing, and proves nothing. A Change
// is what nobody expects, and a Rule was judged already.
func (j *Judge) Finding(f record.Finding) []record.Violation {
	r, isResult := f.(probe.Result)
	judge := func() []record.Violation {
		each := judging{judge: j}
		_ = record.Write(&each, f) // which cannot fail
		for i := range each.found {
			each.found[i].Zone = record.ZoneOf(f)
			if isResult && r.Addr.IsValid() {
				each.found[i].Hosts = r.Names()
			}
		}
		return each.found
	}
	found, ok := j.named(r, judge)
	if !ok {
		found = judge()
	}
	j.failed = j.failed || len(found) > 0
	return found
}

// judging is a Handler that holds one record against what is expected of each.
type judging struct {
	record.Nop
	judge *Judge
	found []record.Violation
}

// Rule takes over what came of it.
func (g *judging) Rule(r record.Rule) error {
	g.judge.failed = g.judge.failed || r.Outcome == record.Fails
	g.judge.doubts(phrase.DoubtOfRule(r))
	return nil
}

// Change is a failure, if it is certain.
func (g *judging) Change(c record.Change) error {
	g.judge.failed = g.judge.failed || c.Confidence != probe.Low
	if g.judge.Strict {
		g.judge.doubts("no change is certain")
	}
	return nil
}

// Endpoint is judged by its state and by the service there.
func (g *judging) Endpoint(r probe.Result) error {
	g.endpoint(r)
	g.fields(r)
	g.subject(r)
	return nil
}

// Range is judged by its state.
func (g *judging) Range(r scan.Range) error {
	g.subject(r)
	return nil
}

// Verdict is judged by its word and by whether somebody has to hold the port.
func (g *judging) Verdict(v local.Verdict) error {
	g.held(v)
	g.subject(v)
	return nil
}

// Listener is judged by who holds it.
func (g *judging) Listener(l local.Listener) error {
	g.holder(l)
	return nil
}

// Event is judged by who began to listen.
func (g *judging) Event(e local.Event) error {
	if e.Event == local.Began {
		g.holder(e.Listener)
	}
	return nil
}

// subject counts a record that has a subject, and holds it against the words.
func (g *judging) subject(f record.Finding) {
	j := g.judge
	s, _ := record.About(f)
	if z := j.zone(record.ZoneOf(f)); s.Decoy {
		z.decoys += s.Count
	} else {
		z.words[s.Word] += s.Count
	}
	allowed := func(e Expectation) bool { return slices.Contains(e.words, record.Unknown) || e.op != "" }
	if s.Word == record.Unknown && !slices.ContainsFunc(j.expect, allowed) {
		j.doubts(phrase.Unmeasured(s))
	}
	for _, e := range j.expect {
		if e.words == nil || e.op != "" || !s.Decoy && e.allows(s.Word) {
			continue
		}
		if s.Word == record.Unknown {
			j.doubts(phrase.Unmeasured(s))
			continue
		}
		v := s.At
		v.What, v.Expected, v.Actual = s.What, strings.Join(e.words, ","), phrase.Label(s)
		g.found = append(g.found, v)
	}
}

// allows reports whether a word is among those of e. A port that only another network
// namespace holds can be bound here: it is free, too.
func (e Expectation) allows(word string) bool {
	return slices.Contains(e.words, word) ||
		word == string(local.Elsewhere) && slices.Contains(e.words, string(local.Free))
}

// End takes the end of the stream and returns the counts that are not as
// expected.
func (j *Judge) End(end record.End) []record.Violation {
	j.complete = end.Complete || len(j.expect) == 0 && !end.Cut()
	out := j.endNames()
	for _, of := range end.Summary.Zones {
		j.zone(of.Zone)
	}
	if len(j.zones) == 0 {
		j.zone("")
	}
	for i, e := range j.expect {
		for _, z := range j.zones {
			if v, ok := j.unmet(i, z); ok && end.Complete {
				out = append(out, v)
			}
			if e.op == "" {
				continue
			}
			v, violated, doubt := z.judge(e, end.Summary)
			j.doubts(doubt)
			if violated {
				out = append(out, v)
			}
		}
	}
	j.failed = j.failed || len(out) > 0
	return out
}

// wants reports whether a count asks for some, rather than for few: a port that is
// open as every port of its host counts only where few should be open.
func (e Expectation) wants() bool {
	return e.op == ">" || e.op == ">=" || e.op == "=" && e.count > 0
}

// bounds reports whether the comparison is true of every number from low to high,
// or of none.
func (e Expectation) bounds(low, high uint64) (always, never bool) {
	a, b := cmp.Compare(low, e.count), cmp.Compare(high, e.count)
	switch e.op {
	case "=":
		return a == 0 && b == 0, a > 0 || b < 0
	case "!=":
		return a > 0 || b < 0, a == 0 && b == 0
	case "<":
		return b < 0, a >= 0
	case "<=":
		return b <= 0, a > 0
	case ">":
		return a > 0, b <= 0
	default:
		return a >= 0, b < 0
	}
}

// Outcome is what came of it, once the stream has ended.
func (j *Judge) Outcome() record.Outcome {
	switch {
	case j.failed:
		return record.Fails
	case j.doubt != "" || !j.complete && !j.settled():
		return record.CannotTell
	}
	return record.Holds
}

// Doubt is why the outcome is not known, as far as a record is the reason, or "".
// Of several reasons it is the first.
func (j *Judge) Doubt() string { return j.doubt }

func (j *Judge) doubts(why string) { j.doubt = cmp.Or(j.doubt, why) }

// settled reports whether an incomplete stream leaves nothing open: every
// expectation is a count, and the counts allowed for what is missing.
func (j *Judge) settled() bool {
	return len(j.expect) > 0 && !slices.ContainsFunc(j.expect, func(e Expectation) bool { return e.op == "" })
}

// Count is the expectation that so many have a word: "open=3".
func Count(word string, n uint64) string { return word + "=" + strconv.FormatUint(n, 10) }
