package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"onmux/probe"
	"onmux/probe/local"
	"onmux/probe/wording"
	"onmux/scan"
)

// Expectation is what must hold: every endpoint (or, for check, every port) has
// one of some words, or so many of them have a word.
type Expectation struct {
	text  string
	words []string // allowed for each; or, with op, the one that is counted
	op    string   // "", "=", "!=", "<", "<=", ">", ">="
	count uint64

	holder  *Holder  // of who holds a port, instead of words
	speaker *speaker // of what speaks on an endpoint, instead of words
}

func (e Expectation) String() string { return e.text }

// ParseExpectation reads "closed,filtered", "open=0", "open>=1" and the like.
// The words are verdicts for the command check, states for all others.
func ParseExpectation(text, command string) (Expectation, error) {
	e := Expectation{text: strings.ReplaceAll(text, " ", "")}
	vocabulary := vocabulary(command)
	left := e.text
	if i := strings.IndexAny(e.text, "<>=!"); i >= 0 {
		left = e.text[:i]
		number := strings.TrimLeft(e.text[i:], "<>=!")
		e.op = strings.Replace(e.text[i:len(e.text)-len(number)], "==", "=", 1)
		n, err := strconv.ParseUint(number, 10, 64)
		if !slices.Contains([]string{"=", "!=", "<", "<=", ">", ">="}, e.op) || err != nil {
			return e, fmt.Errorf("%q is no count: write open=0, open>=1 or open<3", text)
		}
		e.count = n
		if strings.Contains(left, ",") {
			return e, fmt.Errorf("a count is of one word, not of %q", left)
		}
	}
	for _, w := range strings.Split(left, ",") {
		if !slices.Contains(vocabulary, w) {
			return e, fmt.Errorf("%q is not among the words: %s%s", w, strings.Join(vocabulary, ", "), wording.DidYouMean(w, vocabulary))
		}
		e.words = append(e.words, w)
	}
	return e, nil
}

func vocabulary(command string) []string {
	var words []string
	switch command {
	case "diff":
		return ChangeKinds()
	case "verify":
		return outcomeNames[Holds:]
	}
	if command == "check" {
		for _, w := range local.Words() {
			words = append(words, string(w))
		}
		return words
	}
	for _, s := range probe.States() {
		words = append(words, s.String())
	}
	return words
}

// Outcome is what came of the expectations. The zero value is none.
type Outcome int

// The outcomes.
const (
	Holds      Outcome = iota + 1
	Fails              // something definitely is not as expected
	CannotTell         // nothing contradicts, but something could not be measured
)

var outcomeNames = [...]string{Holds: "holds", Fails: "fails", CannotTell: "cannot-tell"}

func (o Outcome) String() string {
	if o < Holds || o > CannotTell {
		return "invalid"
	}
	return outcomeNames[o]
}

// MarshalText writes "holds", "fails" or "cannot-tell".
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the outcome's word.
func (o *Outcome) UnmarshalText(b []byte) error {
	i := slices.Index(outcomeNames[:], string(b))
	if i < int(Holds) {
		return fmt.Errorf("%q is no outcome", b)
	}
	*o = Outcome(i)
	return nil
}

// Judge holds a stream against expectations. It keeps counts, not findings.
type Judge struct {
	expect   []Expectation
	counts   map[string]uint64
	decoys   uint64 // endpoints that are open as every port of their host is
	failed   bool
	doubt    string // why it cannot be told, of several the first: a finding is unknown where something else was expected, or nothing was
	complete bool
}

// NewJudge starts with no findings. Without expectations a stream holds if
// everything in it could be measured.
func NewJudge(expect []Expectation) *Judge {
	return &Judge{expect: expect, counts: make(map[string]uint64), complete: true}
}

// subject is what a finding says of how many endpoints.
type subject struct {
	what, word string
	count      uint64
	violation  Violation // without what was expected
}

func about(f Finding) (subject, bool) {
	switch f := f.(type) {
	case probe.Result:
		word := f.State.String()
		if f.Decoy() {
			word += asEverywhere
		}
		return subject{f.Endpoint.String(), word, 1,
			Violation{Address: f.Addr.String(), Port: f.Port, Proto: f.Proto.String()}}, true
	case scan.Range:
		span := f.First.String() + "-" + f.Last.String()
		return subject{fmt.Sprintf("%s port %d/%s", span, f.Port, f.Proto), f.State.String(), f.Count,
			Violation{Address: span, Port: f.Port, Proto: f.Proto.String()}}, true
	case local.Verdict:
		p := probe.Port{Number: f.Port, Proto: f.Proto}
		return subject{p.String(), string(f.Verdict), 1, Violation{Port: f.Port, Proto: f.Proto.String()}}, true
	}
	return subject{}, false
}

// asEverywhere stands behind "open" where that is said of every port of the host: then it
// does not meet "open", which asks for a service, nor anything else.
const asEverywhere = ", as on every port"

const unknown = "unknown" // the word for "could not look", among states and verdicts alike

// Finding takes one finding and returns how it violates what is expected of
// each. One that could not be measured violates nothing, and proves nothing. A
// Change is what nobody expects, and a Rule was judged already.
func (j *Judge) Finding(f Finding) []Violation {
	if r, ok := f.(Rule); ok {
		j.failed = j.failed || r.Outcome == Fails
		j.doubts(doubtful(r))
		return nil
	}
	if c, ok := f.(Change); ok {
		j.failed = j.failed || c.Confidence != probe.Low
		j.doubts("no change is certain")
		return nil
	}
	out := append(j.holders(f), j.speakers(f)...)
	s, ok := about(f)
	if !ok {
		j.failed = j.failed || len(out) > 0
		return out
	}
	if strings.HasSuffix(s.word, asEverywhere) {
		j.decoys += s.count
	}
	j.counts[s.word] += s.count
	if s.word == unknown && !slices.ContainsFunc(j.expect, func(e Expectation) bool { return slices.Contains(e.words, unknown) || e.op != "" }) {
		j.doubts(unmeasured(s, f))
	}
	for _, e := range j.expect {
		if e.words == nil || e.op != "" || slices.Contains(e.words, s.word) {
			continue
		}
		if s.word == unknown {
			j.doubts(unmeasured(s, f))
			continue
		}
		v := s.violation
		v.What, v.Expected, v.Actual = s.what, strings.Join(e.words, ","), s.word
		out = append(out, v)
	}
	j.failed = j.failed || len(out) > 0
	return out
}

// End takes the end of the stream and returns the counts that are not as
// expected.
func (j *Judge) End(end End) []Violation {
	j.complete = end.Complete
	var out []Violation
	for _, e := range j.expect {
		if e.op == "" {
			continue
		}
		// Each that is unknown or was not reached may be one more.
		low := j.counts[e.words[0]]
		high := low
		if e.words[0] != unknown {
			high += j.counts[unknown]
		}
		if e.words[0] == probe.Open.String() && !e.wants() {
			low, high = low+j.decoys, high+j.decoys
		}
		high += end.Summary.NotReached
		switch always, never := e.bounds(low, high); {
		case never:
			out = append(out, Violation{What: "count", Expected: e.text, Actual: e.words[0] + "=" + strconv.FormatUint(low, 10)})
		case !always:
			j.doubts(fmt.Sprintf("%s: %d %s, and %d could not be told", e.text, low, e.words[0], high-low))
		}
	}
	j.failed = j.failed || len(out) > 0
	return out
}

// wants reports whether a count asks for some, rather than for few: what is open as every
// port of its host is none of those that are wanted, and one too many where none should be.
func (e Expectation) wants() bool {
	return e.op == ">" || e.op == ">=" || e.op == "=" && e.count > 0
}

// bounds says whether the comparison is true of every number from low to high,
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
func (j *Judge) Outcome() Outcome {
	switch {
	case j.failed:
		return Fails
	case j.doubt != "" || !j.complete && !j.settled():
		return CannotTell
	}
	return Holds
}

// Doubt is why it cannot be told, as far as a finding is the reason, or "". Of several
// it is the first.
func (j *Judge) Doubt() string { return j.doubt }

func (j *Judge) doubts(why string) { j.doubt = cmp.Or(j.doubt, why) }

// unmeasured is said of a finding that is unknown.
func unmeasured(s subject, f Finding) string {
	return s.what + " could not be measured" + suffix(": ", errorOf(f))
}

// settled reports whether an incomplete stream leaves nothing open: every
// expectation is a count, and the counts allowed for what is missing.
func (j *Judge) settled() bool {
	return len(j.expect) > 0 && !slices.ContainsFunc(j.expect, func(e Expectation) bool { return e.op == "" })
}
