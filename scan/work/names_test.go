package work

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"a": true, "zone-1_b": true, "9": true, strings.Repeat("z", 63): true,
		"": false, "all": false, "-a": false, "_a": false, "a.b": false, "a*": false, "a>": false, "a b": false, "é": false,
		"a\n": false, strings.Repeat("z", 64): false,
	} {
		if err := CheckZone(name); (err == nil) != want {
			t.Errorf("zone %q: %v", name, err)
		}
	}
	for id, want := range map[string]bool{
		"abcdefghijk27": true, "abcdefghijk2": false, "abcdefghijk277": false, "abcdefghijk18": false,
		"ABCDEFGHIJK27": false, "abcdef.hijk27": false, "abcdefghijk2\n": false,
	} {
		if err := CheckID(id); (err == nil) != want {
			t.Errorf("ID %q: %v", id, err)
		}
	}
}
