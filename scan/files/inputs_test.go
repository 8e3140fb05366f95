package files

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInputs(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("of a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := &Inputs{Stdin: strings.NewReader("of standard input")}
	for _, c := range []struct{ name, want string }{
		{filepath.Join(dir, "f"), "of a file"}, {"-", "of standard input"}, {filepath.Join(dir, "f"), "of a file"},
	} {
		r, err := in.Open(c.name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if string(b) != c.want || err != nil || r.Close() != nil {
			t.Errorf("%s: %q, %v", c.name, b, err)
		}
	}
	if _, err := in.Open("-"); err == nil || err.Error() != "reading standard input: it cannot be read twice" {
		t.Errorf("standard input again: %v", err)
	}
	if _, err := in.Open(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
