package policy

import (
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
