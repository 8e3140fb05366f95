package ci

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"strings"

	"onmux/report/compact"
	"onmux/report/phrase"
	"onmux/report/record"
)

// keptCases has the test cases of a report in their order, with their text in a spool. The
// zero value is empty.
type keptCases struct {
	all        []keptCase
	violations []keptViolation
	text       compact.Spool
	byHash     map[uint64]uint32 // of the name: 1 + the index of the newest case
	seed       maphash.Seed
	buf        []byte
}

// keptCase is a test case but for its text.
type keptCase struct {
	at          int64 // of name, text and unsure
	size        uint32
	next        uint32 // 1 + the index of the case before with the same hash, or 0
	first, last uint32 // 1 + the index of its violations, or 0
	isUnsure    bool
	isSkipped   bool
}

// keptViolation is a violation but for its text.
type keptViolation struct {
	at   int64 // of its message and its line
	size uint32
	next uint32 // 1 + the index of the next of the same case, or 0
}

// find is the index of the case of a name, or -1.
func (k *keptCases) find(name string) (int, error) {
	if k.byHash == nil {
		return -1, nil
	}
	for i := k.byHash[maphash.String(k.seed, name)]; i != 0; i = k.all[i-1].next {
		var text [3]string
		if err := k.read(text[:], k.all[i-1].at, k.all[i-1].size); err != nil {
			return -1, err
		}
		if text[0] == name {
			return int(i - 1), nil
		}
	}
	return -1, nil
}

// add adds a case whose name is new.
func (k *keptCases) add(c testCase) {
	if k.byHash == nil {
		k.byHash, k.seed = make(map[uint64]uint32), maphash.MakeSeed()
	}
	hash := maphash.String(k.seed, c.name)
	kept := keptCase{next: k.byHash[hash], isUnsure: c.unsure != "", isSkipped: c.skipped != ""}
	kept.at, kept.size = k.write(c.name, c.text, cmp.Or(c.unsure, c.skipped))
	k.all = append(k.all, kept)
	k.byHash[hash] = uint32(len(k.all))
	k.violate(len(k.all)-1, c.violations)
}

// violate adds violations to case i.
func (k *keptCases) violate(i int, violations []record.Violation) {
	c := &k.all[i]
	for _, v := range violations {
		var kept keptViolation
		kept.at, kept.size = k.write(fmt.Sprintf("expected %s, found %s", v.Expected, v.Actual), phrase.Breach(v))
		k.violations = append(k.violations, kept)
		n := uint32(len(k.violations))
		if c.first == 0 {
			c.first = n
		} else {
			k.violations[c.last-1].next = n
		}
		c.last = n
	}
}

// problems counts the cases that fail, those of which that is not known, and those that do
// not count.
func (k *keptCases) problems() (failures, errors, skipped int) {
	for i := range k.all {
		switch c := &k.all[i]; {
		case c.first != 0:
			failures++
		case c.isUnsure:
			errors++
		case c.isSkipped:
			skipped++
		}
	}
	return failures, errors, skipped
}

// element is case i but for its class.
func (k *keptCases) element(i int) (junitCase, error) {
	kept := &k.all[i]
	var text [3]string // name, text, why it is unsure or skipped
	if err := k.read(text[:], kept.at, kept.size); err != nil {
		return junitCase{}, err
	}
	out := junitCase{Name: phrase.Visible(text[0]), Out: visibleLines(text[1])}
	switch {
	case kept.first != 0:
	case kept.isUnsure:
		out.Error = &junitProblem{phrase.Visible(text[2]), "unknown", visibleLines(text[2])}
	case kept.isSkipped:
		out.Skipped = &junitSkipped{phrase.Visible(text[2])}
	}
	var lines strings.Builder
	for n := kept.first; n != 0; n = k.violations[n-1].next {
		var of [2]string // message, line
		if err := k.read(of[:], k.violations[n-1].at, k.violations[n-1].size); err != nil {
			return junitCase{}, err
		}
		if out.Failure == nil {
			out.Failure = &junitProblem{Message: phrase.Visible(of[0]), Type: "violation"}
		}
		lines.WriteString(of[1] + "\n")
	}
	if out.Failure != nil {
		out.Failure.Text = visibleLines(lines.String())
	}
	return out, nil
}

// write stores texts, each behind its length.
func (k *keptCases) write(texts ...string) (at int64, size uint32) {
	k.buf = k.buf[:0]
	for _, t := range texts {
		k.buf = append(binary.AppendUvarint(k.buf, uint64(len(t))), t...)
	}
	return k.text.Append(k.buf), uint32(len(k.buf))
}

// read reads as many texts as there is room for.
func (k *keptCases) read(texts []string, at int64, size uint32) error {
	k.buf = append(k.buf[:0], make([]byte, size)...)
	if err := k.text.Read(k.buf, at); err != nil {
		return err
	}
	rest := k.buf
	for i := range texts {
		n, used := binary.Uvarint(rest)
		rest = rest[used:]
		texts[i], rest = string(rest[:n]), rest[n:]
	}
	return nil
}
