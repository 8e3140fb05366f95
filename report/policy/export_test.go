package policy

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

// Fields are the fields of the rules of each section.
func Fields() map[string][]string {
	out := make(map[string][]string)
	for section, rule := range map[string]any{"check": checkRule{}, "probe": probeRule{}, "scan": scanRule{}} {
		for f := range reflect.TypeOf(rule).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			out[section] = append(out[section], name)
		}
	}
	return out
}

// Validate holds a policy in JSON against the schema.
func Validate(text string) error {
	var s rules
	if err := json.Unmarshal(schema, &s); err != nil {
		return err
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	if m := s.hold(v, s.Defs); m != nil {
		return errors.New(where(m.path) + m.what)
	}
	return nil
}
