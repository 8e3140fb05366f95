package files

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// However the text of lines arrives, the file has whole lines only.
func TestFollow(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "lines")
	f, err := Follow(file, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Follow(file, 0o600); canLock && !errors.Is(err, ErrInUse) {
		t.Errorf("another process follows the file: %v", err)
	}
	long := strings.Repeat("x", 100_000)
	for _, step := range []struct{ write, file string }{
		{"a", ""}, {"b\nc", "ab\n"}, {"d\n", "ab\ncd\n"}, {"\n", "ab\ncd\n\n"}, {long, "ab\ncd\n\n"},
		{"\n", "ab\ncd\n\n" + long + "\n"}, {"e", "ab\ncd\n\n" + long + "\n"},
	} {
		if n, err := f.Write([]byte(step.write)); n != len(step.write) || err != nil {
			t.Fatal(n, err)
		}
		if b, err := os.ReadFile(file); err != nil || string(b) != step.file {
			t.Errorf("after %.10q the file has %.20q, %v", step.write, b, err)
		}
	}
	if err := f.Commit(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a line without an end: %v", err)
	}
}

// A file that cannot be written to keeps the lines before.
func TestFollowFails(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "lines")
	f, err := Follow(file, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("whole\nhal")); err != nil {
		t.Fatal(err)
	}
	f.file.Close()
	_, err1 := f.Write([]byte("f\n"))
	_, err2 := f.Write([]byte("more\n"))
	if err1 == nil || err2 == nil || f.Commit() == nil {
		t.Error("a file that is closed takes lines")
	}
	f.Discard()
	if b, err := os.ReadFile(file); err != nil || string(b) != "whole\n" {
		t.Errorf("%q, %v", b, err)
	}
}
