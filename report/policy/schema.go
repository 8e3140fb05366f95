package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"onmux/report"
)

// rules are a JSON Schema (draft 2020-12), as far as ours goes. A library for
// all of it costs every start of the program a few milliseconds; the tests hold
// this against one.
type rules struct {
	Ref        string           `json:"$ref"`
	Defs       map[string]rules `json:"$defs"`
	Type       typeNames        `json:"type"`
	Properties map[string]rules `json:"properties"`
	Additional *bool            `json:"additionalProperties"`
	Required   []string         `json:"required"`
	AnyOf      []rules          `json:"anyOf"`
	Items      *rules           `json:"items"`
	Enum       []string         `json:"enum"`
	Const      json.Number      `json:"const"`
	Minimum    *json.Number     `json:"minimum"`
	Maximum    *json.Number     `json:"maximum"`
	MinLength  int              `json:"minLength"`
	MaxLength  int              `json:"maxLength"`
	MinItems   int              `json:"minItems"`
}

// typeNames is one type or several.
type typeNames []string

func (t *typeNames) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = typeNames{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// mismatch is what is wrong with a value, and where.
type mismatch struct {
	path []string
	what string // goes on after the name of the place
	key  string // of an object, if it is about that
}

func wrongf(format string, args ...any) *mismatch {
	return &mismatch{what: fmt.Sprintf(format, args...)}
}

// within puts a step before the path.
func (m *mismatch) within(step string) *mismatch {
	m.path = slices.Insert(m.path, 0, step)
	return m
}

// hold holds a value against the rules and returns the first mismatch, or nil.
func (r rules) hold(value any, defs map[string]rules) *mismatch {
	if name, ok := strings.CutPrefix(r.Ref, "#/$defs/"); ok {
		if m := defs[name].hold(value, defs); m != nil {
			return m
		}
	}
	if kind := kindOf(value); r.Type != nil && !slices.Contains(r.Type, kind) && !(kind == "integer" && slices.Contains(r.Type, "number")) {
		var want []string
		for _, t := range r.Type {
			want = append(want, article[t])
		}
		return wrongf(" is %s, not %s", article[kind], strings.Join(want, " or "))
	}
	if r.Const != "" && !same(value, r.Const) {
		return wrongf(" is %.40v: this onmux reads %s", value, r.Const)
	}
	switch v := value.(type) {
	case map[string]any:
		return r.object(v, defs)
	case []any:
		return r.list(v, defs)
	case string:
		return r.text(v)
	case json.Number:
		return r.number(v)
	}
	if r.Enum != nil {
		return wrongf(": %v is not among %s", value, strings.Join(r.Enum, ", "))
	}
	return nil
}

func (r rules) object(v map[string]any, defs map[string]rules) *mismatch {
	for _, key := range slices.Sorted(maps.Keys(v)) {
		property, known := r.Properties[key]
		switch {
		case known:
			if m := property.hold(v[key], defs); m != nil {
				return m.within(key)
			}
		case r.Additional != nil && !*r.Additional:
			m := wrongf(" has no %q%s", key, report.Nearest(key, slices.Sorted(maps.Keys(r.Properties))))
			m.key = key
			return m
		}
	}
	for _, key := range r.Required {
		if _, ok := v[key]; !ok {
			return wrongf(" needs %s", key)
		}
	}
	var either []string
	for _, choice := range r.AnyOf {
		if choice.hold(v, defs) == nil {
			return nil
		}
		either = append(either, choice.Required...)
	}
	if either != nil {
		return wrongf(" needs %s", strings.Join(either, " or "))
	}
	return nil
}

func (r rules) list(v []any, defs map[string]rules) *mismatch {
	if len(v) < r.MinItems {
		return wrongf(" is an empty list")
	}
	if r.Items == nil {
		return nil
	}
	for i, item := range v {
		if m := r.Items.hold(item, defs); m != nil {
			return m.within(strconv.Itoa(i))
		}
	}
	return nil
}

func (r rules) text(s string) *mismatch {
	n := len([]rune(s))
	switch {
	case n < r.MinLength:
		return wrongf(" is empty")
	case r.MaxLength > 0 && n > r.MaxLength:
		return wrongf(" has more than %d characters", r.MaxLength)
	case r.Enum != nil && !slices.Contains(r.Enum, s):
		return wrongf(": %.40s is not among %s%s", s, strings.Join(r.Enum, ", "), report.Nearest(s, r.Enum))
	}
	return nil
}

func (r rules) number(n json.Number) *mismatch {
	v, ok := rational(n)
	if !ok {
		return wrongf(": %.40s is no number for a policy", n)
	}
	if r.Minimum != nil {
		if least, _ := rational(*r.Minimum); v.Cmp(least) < 0 {
			return wrongf(": %s is less than %s", n, *r.Minimum)
		}
	}
	if r.Maximum != nil {
		if most, _ := rational(*r.Maximum); v.Cmp(most) > 0 {
			return wrongf(": %s is more than %s", n, *r.Maximum)
		}
	}
	if r.Enum != nil {
		return wrongf(": %s is not among %s", n, strings.Join(r.Enum, ", "))
	}
	return nil
}

// rational is n exactly. Numbers of astronomical size, whose exact value would
// fill memory, are none.
func rational(n json.Number) (*big.Rat, bool) {
	if i := strings.IndexAny(n.String(), "eE"); i >= 0 {
		if exp, err := strconv.Atoi(n.String()[i+1:]); err != nil || exp > 400 || exp < -400 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(n.String())
}

// same reports whether a value is the number n.
func same(value any, n json.Number) bool {
	v, ok := value.(json.Number)
	if !ok {
		return false
	}
	a, ok := rational(v)
	b, _ := rational(n)
	return ok && a.Cmp(b) == 0
}

// kindOf is the type of a value in the schema's words.
func kindOf(value any) string {
	switch v := value.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if q, ok := rational(v); ok && q.IsInt() {
			return "integer"
		}
		return "number"
	}
	return "null"
}

// article has the types as people call them.
var article = map[string]string{"null": "empty", "array": "a list", "object": "a mapping", "string": "a text",
	"number": "a number", "integer": "a whole number", "boolean": "true or false"}
