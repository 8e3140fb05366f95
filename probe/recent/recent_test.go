package recent_test

import (
	"testing"

	"onmux/probe/recent"
)

func TestMap(t *testing.T) {
	m := recent.New[int, string](3)
	for _, key := range []int{1, 2, 3, 1, 4, 5} { // 1 and 2 are the oldest
		m.Put(key, "value")
	}
	m.Put(4, "new")
	for key, want := range map[int]string{1: "", 2: "", 3: "value", 4: "new", 5: "value"} {
		if got, known := m.Get(key); got != want || known != (want != "") {
			t.Errorf("%d: %q, %t", key, got, known)
		}
	}
	for key := range 1000 {
		m.Put(key, "")
	}
	if _, known := m.Get(997); m.Len() != 3 || !known {
		t.Errorf("%d values, the third from the end: %t", m.Len(), known)
	}
}
