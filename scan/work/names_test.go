package work

import (
	"strings"
	"testing"
	"time"
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

// TestLeases: a lease that has to be extended all the time is no lease.
func TestLeases(t *testing.T) {
	t.Parallel()
	for lease, want := range map[time.Duration]bool{
		time.Nanosecond: false, minLease - 1: false, minLease: true, DefaultLease: true, maxLease + 1: false,
	} {
		r := request(t)
		r.Lease = lease
		if got := r.valid(); got != want {
			t.Errorf("a lease of %v is valid: %v", lease, got)
		}
	}
}
