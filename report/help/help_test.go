package help

import (
	"bytes"
	"strings"
	"testing"
)

// TestTopics: every topic has a title, tables whose rows have as many cells as headings, a text
// whose prose fits 80 columns, and a manual page.
func TestTopics(t *testing.T) {
	if len(Topics()) < 4 {
		t.Fatal(Topics())
	}
	for _, topic := range Topics() {
		if topic.Title == "" {
			t.Errorf("%s has no title", topic.Name)
		}
		cells := 0
		lines := make(map[string]bool)
		for _, b := range blocks(topic.text) {
			switch {
			case b.kind == tableRow && b.first:
				cells = len(b.cells)
			case b.kind == tableRow && len(b.cells) != cells:
				t.Errorf("%s: %d cells of %d: %s", topic.Name, len(b.cells), cells, b.cells)
			case b.kind == code:
				for l := range strings.SplitSeq(b.text, "\n") {
					lines["  "+l] = true
				}
			}
		}
		var text, page bytes.Buffer
		if err := topic.Write(&text); err != nil {
			t.Fatal(err)
		}
		for l := range strings.SplitSeq(text.String(), "\n") {
			if len([]rune(l)) > topicWidth && !lines[l] && strings.Contains(strings.TrimSpace(l), " ") {
				t.Errorf("%s: %d columns: %s", topic.Name, len([]rune(l)), l)
			}
		}
		if err := WriteManual(&page, Program{Version: "1", Date: "2026-01-02"}, topic.Name); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(page.String(), func(r rune) bool { return r > 126 }) {
			t.Errorf("%s: the page is not ASCII", topic.Name)
		}
	}
	if _, ok := TopicOf("nothing"); ok {
		t.Error("there is a topic nothing")
	}
}
