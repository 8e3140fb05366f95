package report

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	words := []string{"open", "closed", "filtered", "open|filtered", "free", "The Web Server", strings.Repeat("long ", 20) + "name"}
	for s, want := range map[string]string{
		"opne": "open", "OPEN": "open", "clsed": "closed", "fitlered": "filtered", "openfiltered": "open|filtered", "fre": "free",
		"": "", "x": "", strings.Repeat("open", 1000): "", "öpen": "open",
		"the wb server": "The Web Server", strings.Repeat("long ", 20) + "nmae": strings.Repeat("long ", 20) + "name",
	} {
		got := Nearest(s, words)
		if want != "" {
			want = "; did you mean " + want + "?"
		}
		if got != want {
			t.Errorf("Nearest(%q) = %q, want %q", s, got, want)
		}
	}
}
