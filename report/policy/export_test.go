package policy

import (
	"errors"
	"reflect"
	"strings"
)

// Fields are the fields of the rules of each section.
func Fields() map[string][]string {
	out := make(map[string][]string)
	for section, rule := range map[string]any{"check": checkRule{}, "probe": probeRule{}, "scan": scanRule{}} {
		for f := range reflect.TypeOf(rule).Fields() {
			if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" {
				out[section] = append(out[section], name)
			}
		}
	}
	return out
}

// Decode returns what is wrong with a policy before its rules are looked at. valid is false
// if the text is no YAML.
func Decode(text string) (valid bool, err error) {
	_, err = decode("policy", []byte(text))
	return err == nil || errors.As(err, new(nodeError)), err
}
