package ports

import (
	"slices"
	"strings"
	"testing"

	"onmux/probe"
)

// Every fact is a sentence with a source, and a port that has a history has a name.
func TestHistory(t *testing.T) {
	for port, facts := range histories {
		if NameOf(probe.Port{Number: port, Proto: probe.TCP}) == "" || len(facts) == 0 {
			t.Errorf("%d has a history of %d facts, or no name", port, len(facts))
		}
		seen := make(map[string]bool)
		for _, f := range facts {
			if !strings.HasSuffix(f.Fact, ".") || f.Source == "" || strings.HasSuffix(f.Source, ".") || seen[f.Fact] {
				t.Errorf("%d: %+v is not a sentence, has no source or is there twice", port, f)
			}
			seen[f.Fact] = true
			if strings.ContainsFunc(f.Fact+f.Source, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%d: %q does not show everywhere", port, f)
			}
		}
	}
	if History(418) != nil {
		t.Error("418 has a history")
	}
	if s := History(probe.Onmux); len(s) < 10 {
		t.Errorf("%d facts about 417", len(s))
	} else {
		s[0].Fact = "changed"
		if History(probe.Onmux)[0].Fact == "changed" {
			t.Error("a caller can change the history")
		}
	}
}

// The history of 417 is what was read in the sources.
func TestHistoryHasWhatIsKnown(t *testing.T) {
	var all strings.Builder
	for _, f := range History(probe.Onmux) {
		all.WriteString(f.Fact + " [" + f.Source + "]\n")
	}
	for _, want := range []string{
		"RFC 1700 (October 1994), page 32", "RFC 1340 (July 1992)", "Stephen Hanna", "a guess", "Meeting Maker",
		"ON Technology",
		"CVE-2000-0326", "mmxp", "2417", "C1 2C", "00 00 24 55", "38", "mmcals on 2271 and mmcal on 2272", "Debian has not",
		"weak evidence",
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the history does not have %q", want)
		}
	}
}

func TestNumbersOf(t *testing.T) {
	for _, c := range []struct {
		name  string
		proto probe.Proto
		want  []uint16
	}{
		{"onmux", probe.TCP, []uint16{417}},
		{"OnMux", probe.UDP, []uint16{417}},
		{"http-alt", probe.TCP, []uint16{591, 8008, 8080}},
		{"compressnet", probe.UDP, []uint16{2, 3}},
		{"exec", probe.TCP, []uint16{512}},
		{"exec", probe.UDP, nil},
		{"nothing-of-the-kind", probe.TCP, nil},
		{"", probe.TCP, nil},
		{"onmux", 0, nil},
		{strings.Repeat("x", 1000), probe.TCP, nil},
	} {
		if got := NumbersOf(c.name, c.proto); !slices.Equal(got, c.want) {
			t.Errorf("NumbersOf(%q, %s) = %v, want %v", c.name, c.proto, got, c.want)
		}
	}
}
