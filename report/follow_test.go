package report_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "onmux/report"
	. "onmux/report/record"
	. "onmux/report/reporttest"
)

// A file that is followed has each record when the next begins, in whole lines, and its old
// text until the first.
func TestFollow(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "report.jsonl")
	if err := os.WriteFile(file, []byte("old\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	s := open(t, new(bytes.Buffer), Output{Format: "jsonl", File: file, Follow: true})
	if b, _ := os.ReadFile(file); string(b) != "old\n" {
		t.Errorf("before the first record the file has %q", b)
	}
	records := 0
	each := func(Finding) error {
		b, err := os.ReadFile(file)
		if lines := strings.Count(string(b), "\n"); err != nil || lines != 1+records || !strings.HasSuffix(string(b), "\n") {
			t.Errorf("after %d records the file has %d lines: %v", records, lines, err)
		}
		records++
		return nil
	}
	sample := Sample()
	if err := s.Start(sample.Started); err != nil {
		t.Fatal(err)
	}
	for _, f := range sample.Findings {
		if err := errors.Join(each(f), Write(s, f)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.End(sample.Ended), s.Close()); err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(file)
	valid(t, "jsonl", b)
	if records < 10 || strings.Count(string(b), "\n") != records+2 {
		t.Errorf("%d records in\n%s", records, b)
	}
}

// A report that cannot begin leaves a file as it was, and no new one.
func TestFollowWithoutReport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, fresh := filepath.Join(dir, "old"), filepath.Join(dir, "fresh")
	if err := os.WriteFile(old, []byte("old\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{old, fresh} {
		outputs := []Output{{Format: "jsonl", File: file, Follow: true},
			{Format: "json", File: filepath.Join(dir, "none", "f")}}
		if _, err := Open(t.Context(), outputs, nil, Options{}); err == nil {
			t.Error("a file in no folder is opened")
		}
	}
	outputs := []Output{{Format: "jsonl", File: old, Follow: true}, {Format: "jsonl", File: old, Follow: true}}
	if _, err := Open(t.Context(), outputs, nil, Options{}); err == nil || !strings.Contains(err.Error(), "both go to") {
		t.Errorf("the same file twice: %v", err)
	}
	if b, _ := os.ReadFile(old); string(b) != "old\n" || names(t, dir) != "old" {
		t.Errorf("%q in %s", b, names(t, dir))
	}
}
