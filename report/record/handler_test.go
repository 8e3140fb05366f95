package record

import (
	"errors"
	"reflect"
	"testing"
)

// kinds are the parameters of the methods of Handler between Start and End, as
// zero records.
func kinds(t *testing.T) []Finding {
	t.Helper()
	var out []Finding
	handler := reflect.TypeFor[Handler]()
	for i := range handler.NumMethod() {
		m := handler.Method(i)
		if m.Name == "Start" || m.Name == "End" {
			continue
		}
		f, ok := reflect.Zero(m.Type.In(0)).Interface().(Finding)
		if !ok {
			t.Fatalf("%s takes %s, which is not a record", m.Name, m.Type.In(0))
		}
		out = append(out, f)
	}
	return out
}

// ends has the two methods that Func leaves to its handler.
type ends struct{}

func (ends) Start(Start) error { return nil }
func (ends) End(End) error     { return nil }

type unknownKind struct{}

func (unknownKind) Kind() string { return "unheard-of" }

// TestWriteRoutesEveryKind: each kind of record reaches its method, as it is.
func TestWriteRoutesEveryKind(t *testing.T) {
	names := make(map[string]bool)
	for _, f := range kinds(t) {
		if names[f.Kind()] {
			t.Errorf("two kinds are called %q", f.Kind())
		}
		names[f.Kind()] = true
		broken := errors.New("broken")
		var got Finding
		h := struct {
			Func
			ends
		}{Func: func(f Finding) error { got = f; return broken }}
		if err := Write(h, f); err != broken || !reflect.DeepEqual(got, f) {
			t.Errorf("%T arrives as %T: %v", f, got, err)
		}
		if err := Write(Nop{}, f); err != nil {
			t.Errorf("%T: %v", f, err)
		}
	}
	if err := Write(Nop{}, unknownKind{}); err == nil {
		t.Error("a record without a method is dropped silently")
	}
}

// TestRecordingReplays: what is kept comes out as it went in, and stops at the first error.
func TestRecordingReplays(t *testing.T) {
	var first, second Recording
	all := kinds(t)
	first.Start(Start{Command: "scan"})
	for _, f := range all {
		if err := Write(&first, f); err != nil {
			t.Fatal(err)
		}
	}
	first.End(End{Complete: true})
	if err := first.Replay(&second); err != nil || !reflect.DeepEqual(first, second) ||
		len(second.Findings) != len(all) {
		t.Errorf("%v: %d records of %d", err, len(second.Findings), len(all))
	}
	calls, broken := 0, errors.New("broken")
	h := struct {
		Func
		ends
	}{Func: func(Finding) error { calls++; return broken }}
	if err := first.Replay(h); err != broken || calls != 1 {
		t.Errorf("%v after %d records", err, calls)
	}
}
