package record

// Rule is what came of one rule of a policy, and the record of type "rule" in
// documents. Its violations follow, each with its name.
type Rule struct {
	Name    string  `json:"name"`
	About   string  `json:"about"` // "check", "probe" or "scan"
	Outcome Outcome `json:"outcome"`
	Found   string  `json:"found,omitempty"` // in one line
	Error   string  `json:"error,omitempty"` // why that is not known
	File    string  `json:"file,omitempty"`  // of the policy, as it was named
	Line    int     `json:"line,omitzero"`   // where it begins there
}

// Kind names the record's type in documents.
func (Rule) Kind() string { return "rule" }
