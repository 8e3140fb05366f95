package document

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"onmux/report/record"
)

// TestSchemaKnowsEveryKind: the kinds of records that a Handler has methods for are
// those of the schema, and each is read.
func TestSchemaKnowsEveryKind(t *testing.T) {
	var s struct {
		Defs map[string]struct {
			AnyOf []struct {
				Ref string `json:"$ref"`
			} `json:"anyOf"`
			Properties map[string]struct {
				Const string `json:"const"`
			} `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(SchemaJSON(), &s); err != nil {
		t.Fatal(err)
	}
	known := []string{s.Defs["violation"].Properties["type"].Const}
	for _, d := range s.Defs["finding"].AnyOf {
		known = append(known, s.Defs[d.Ref[len("#/$defs/"):]].Properties["type"].Const)
	}
	var kinds []string
	handler := reflect.TypeFor[record.Handler]()
	for i := range handler.NumMethod() {
		f, ok := reflect.Zero(handler.Method(i).Type.In(0)).Interface().(record.Finding)
		if !ok {
			continue // Start, End
		}
		kinds = append(kinds, f.Kind())
		if got, _ := parseFinding(f.Kind(), []byte(`{}`)); reflect.TypeOf(got) != reflect.TypeOf(f) {
			t.Errorf("%q is read as %T", f.Kind(), got)
		}
	}
	slices.Sort(known)
	slices.Sort(kinds)
	if !slices.Equal(known, kinds) {
		t.Errorf("the schema has %q, a handler %q", known, kinds)
	}
}
