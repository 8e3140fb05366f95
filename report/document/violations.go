package document

import (
	"cmp"
	"encoding/json"
	"io"
	"slices"

	"onmux/report/record"
)

// Violations are those of a json report, which stand in it behind all findings. The zero
// value is of a report of which they are not known beforehand.
type Violations struct {
	known   bool
	written uint64                        // findings
	placed  []placedViolation             // that state where they were, the first first
	others  map[string][]record.Violation // by what they are about, or by their rule
	order   []string                      // of the keys of others
}

// FindViolations reads a json report up to its violations. What is wrong with the report is
// no error here: ReadDocument finds that.
func FindViolations(r io.Reader) Violations {
	v := Violations{known: true, others: make(map[string][]record.Violation)}
	d := newDecoder(r)
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return v
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			break
		}
		if isList := key == "findings" || key == "violations"; !isList {
			if d.Decode(new(json.RawMessage)) != nil {
				break
			}
			continue
		}
		if t, err := d.Token(); err != nil || t != json.Delim('[') {
			break
		}
		for d.More() {
			var raw json.RawMessage
			if d.Decode(&raw) != nil {
				return v.sorted()
			}
			if key == "violations" {
				v.add(raw)
			}
		}
		if _, err := d.Token(); err != nil {
			break
		}
	}
	return v.sorted()
}

func (v *Violations) add(raw []byte) {
	var one placedViolation
	if json.Unmarshal(raw, &one) != nil && json.Unmarshal(raw, &one.Violation) != nil {
		return
	}
	if one.After != nil {
		v.placed = append(v.placed, one)
		return
	}
	key := cmp.Or(one.Rule, one.What)
	if v.others[key] == nil {
		v.order = append(v.order, key)
	}
	v.others[key] = append(v.others[key], one.Violation)
}

func (v Violations) sorted() Violations {
	slices.SortStableFunc(v.placed, func(a, b placedViolation) int { return cmp.Compare(*a.After, *b.After) })
	return v
}

// after writes the violations that follow a finding; those that do not state where they
// were follow the first finding that they may be about. nil is the start of the report.
func (v *Violations) after(s *record.Source, f record.Finding) error {
	if f != nil {
		v.written++
	}
	for len(v.placed) > 0 && *v.placed[0].After <= v.written {
		if err := s.Write(v.placed[0].Violation); err != nil {
			return err
		}
		v.placed = v.placed[1:]
	}
	if len(v.others) == 0 || f == nil {
		return nil
	}
	key := ""
	if rule, ok := f.(record.Rule); ok {
		key = rule.Name
	} else if about, ok := record.About(f); ok {
		key = about.What
	}
	return v.write(s, key)
}

// write writes the violations about something that do not state where they were.
func (v *Violations) write(s *record.Source, key string) error {
	for _, one := range v.others[key] {
		if err := s.Write(one); err != nil {
			return err
		}
	}
	delete(v.others, key)
	return nil
}

// rest writes those that are left.
func (v *Violations) rest(s *record.Source) error {
	for _, one := range v.placed {
		if err := s.Write(one.Violation); err != nil {
			return err
		}
	}
	v.placed = nil
	for _, key := range v.order {
		if err := v.write(s, key); err != nil {
			return err
		}
	}
	return nil
}
