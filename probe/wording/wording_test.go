package wording

import (
	"math"
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	long := strings.Repeat("long ", 20)
	words := []string{"open", "closed", "filtered", "open|filtered", "free", "The Web Server", long + "name"}
	for s, want := range map[string]string{
		"opne": "open", "OPEN": "open", "clsed": "closed", "fitlered": "filtered", "openfiltered": "open|filtered",
		"fre": "free", "": "", "x": "", strings.Repeat("open", 1000): "", "öpen": "open",
		"the wb server": "The Web Server", long + "nmae": long + "name",
	} {
		if got := Nearest(s, words); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", s, got, want)
		}
		if want != "" {
			want = "; did you mean " + want + "?"
		}
		if got := DidYouMean(s, words); got != want {
			t.Errorf("DidYouMean(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"ab", "ba", 1}, {"kitten", "sitting", 3}, {"onmux", "onmux", 0},
		{"abc", "xyz", 3}, {"abcdefgh", "a", 5},
	} {
		if got := edits(tt.a, tt.b, 4); got != tt.want {
			t.Errorf("edits(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := edits(tt.b, tt.a, 4); got != tt.want {
			t.Errorf("edits(%q, %q) = %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 ports", 1: "1 port", 2: "2 ports", 999: "999 ports", 1000: "1,000 ports", 65536: "65,536 ports",
		1234567: "1,234,567 ports", math.MaxUint64: "18,446,744,073,709,551,615 ports",
	} {
		if got := Count(n, "port", "ports"); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}
