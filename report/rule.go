package report

import "strconv"

// Rule is what came of one rule of a policy, and the record of type "rule" in
// documents. What violates it follows, each with its name.
type Rule struct {
	Name    string  `json:"name"`
	About   string  `json:"about"` // "check", "probe" or "scan"
	Outcome Outcome `json:"outcome"`
	Found   string  `json:"found,omitempty"` // in one line
	Error   string  `json:"error,omitempty"` // why it could not be told
}

// Kind names the record's type in documents.
func (Rule) Kind() string { return "rule" }

// OneLine tells a finding in one line: "10.0.0.7:417/tcp open (syn-ack)".
func OneLine(f Finding) string {
	s, _ := about(f)
	if s.what == "" {
		return sentence(f)
	}
	return s.what + " " + sentence(f)
}

// Vocabulary lists the words that the findings of a command have: verdicts for
// check, states for the others.
func Vocabulary(command string) []string { return vocabulary(command) }

// Count is the expectation that so many have a word: "open=3".
func Count(word string, n uint64) string { return word + "=" + strconv.FormatUint(n, 10) }

// Tally adds up in the order of the words of a command: "1 open, 254 closed".
func Tally(command string, states map[string]uint64) string { return tallied(command, states) }
