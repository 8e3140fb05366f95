package target

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"onmux/probe/lookup"
)

// TestOneFamilyFails: what is known of a name is asked, and that its other addresses could
// not be looked up is reported, unless they are not wanted.
func TestOneFamilyFails(t *testing.T) {
	half := func(context.Context, string) ([]netip.Addr, error) {
		failed := &lookup.PartError{IPv6: true, Err: errors.New("server misbehaving")}
		return []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 7})}, failed
	}
	const want = `the IPv6 addresses of host "db1" cannot be looked up: server misbehaving`
	for _, only4 := range []bool{false, true} {
		var got []string
		p, err := NewPlan(t.Context(), Config{Targets: []string{"db1:22/tcp"}, Ports: onmuxTCP, Resolve: half, IPv4: only4,
			Unresolved: func(e *ResolveError) { got = append(got, e.Error()) }})
		if err != nil || endpoints(p) != "192.0.2.7:22/tcp" {
			t.Fatal(p, err)
		}
		for _, e := range again(t, p).Unresolved() { // as of a checkpoint
			got = append(got, e.Error())
			if len(e.Ports) != 1 || e.Ports[0].Number != 22 {
				t.Errorf("ports %v", e.Ports)
			}
		}
		if text := strings.Join(got, "; "); only4 && text != "" || !only4 && text != want+"; "+want {
			t.Errorf("IPv4 only: %t, reported: %s", only4, text)
		}
	}
	// What is excluded must be known.
	_, err := NewPlan(t.Context(), Config{Targets: []string{"192.0.2.0/24"}, Exclude: []string{"db1"}, Ports: onmuxTCP,
		Resolve: half})
	if err == nil || err.Error() != want || IsUsage(err) {
		t.Errorf("excluded: %v", err)
	}
}
