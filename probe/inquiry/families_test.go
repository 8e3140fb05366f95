package inquiry

import (
	"net/netip"
	"strings"
	"testing"

	"onmux/probe"
	"onmux/report/phrase/evidence"
)

func TestFamilies(t *testing.T) {
	at := func(host, addr string, s probe.State) probe.Result {
		return probe.Result{Endpoint: probe.Endpoint{Addr: netip.MustParseAddr(addr), Port: 417, Proto: probe.TCP},
			Origin: probe.Origin{Host: host}, State: s, Tries: 1}
	}
	for _, tt := range []struct {
		name    string
		results []probe.Result
		note    string // of the last
	}{
		{"same", []probe.Result{at("a", "192.0.2.1", probe.Open), at("a", "2001:db8::1", probe.Open)}, ""},
		{"differ", []probe.Result{at("a", "192.0.2.1", probe.Open), at("a", "2001:db8::1", probe.Closed)},
			"IPv4 and IPv6 differ: over IPv4 a is open at 192.0.2.1"},
		{"one of two is the same", []probe.Result{at("a", "192.0.2.1", probe.Open), at("a", "192.0.2.2", probe.Closed),
			at("a", "2001:db8::1", probe.Closed)}, ""},
		{"may be the same", []probe.Result{at("a", "192.0.2.1", probe.Open), at("a", "2001:db8::1", probe.OpenFiltered)}, ""},
		{"cannot be the same", []probe.Result{at("a", "192.0.2.1", probe.Closed),
			at("a", "2001:db8::1", probe.OpenFiltered)}, "is closed at"},
		{"not measured", []probe.Result{at("a", "192.0.2.1", probe.Open), at("a", "2001:db8::1", probe.Unknown)}, ""},
		{"nor here", []probe.Result{at("a", "192.0.2.1", probe.Unknown), at("a", "2001:db8::1", probe.Open)}, ""},
		{"two names", []probe.Result{at("a", "192.0.2.1", probe.Open), at("b", "2001:db8::1", probe.Closed)}, ""},
		{"not judged", []probe.Result{at("a", "192.0.2.1", probe.Open),
			{Endpoint: at("a", "2001:db8::1", probe.Closed).Endpoint, Origin: probe.Origin{Host: "a"},
				State: probe.Closed}}, ""},
		{"no names", []probe.Result{at("", "192.0.2.1", probe.Open), at("", "2001:db8::1", probe.Closed)}, ""},
	} {
		f := make(families)
		for i := range tt.results {
			f.compare(&tt.results[i])
		}
		if notes := strings.Join(evidence.Notes(&tt.results[len(tt.results)-1]), "; "); !strings.Contains(notes, tt.note) ||
			tt.note == "" && notes != "" {
			t.Errorf("%s: %q", tt.name, notes)
		}
	}
}
