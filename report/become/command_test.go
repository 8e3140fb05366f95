//go:build unix

package become

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A command is found as a shell finds it, with the distinction that shells make.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"a/tool": 0o755, "b/tool": 0o755, "a/data": 0o644, "b/data": 0o755,
		"a/only": 0o644} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "closed"), 0); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(dir, "b"))
	both := filepath.Join(dir, "none") + ":" + filepath.Join(dir, "a") + ":" + filepath.Join(dir, "b")
	for _, tt := range []struct {
		path, name string
		file       string // "": it is not found
		wrong      string // which file an error is about
		notFound   bool
	}{
		{both, "tool", "a/tool", "", false},
		{both, "data", "b/data", "", false}, // what cannot be executed is passed over
		{both, "only", "", "a/only", false},
		{both, "none", "", "none", true},
		{filepath.Join(dir, "closed") + ":" + both, "none", "", "none", true},
		{filepath.Join(dir, "closed") + ":" + both, "only", "", "a/only", false},
		{both, "", "", "", true},
		{both, "./tool", "./tool", "", false},
		{both, "../a/only", "", "../a/only", false},
		{both, "./none", "", "./none", true},
		{both, "./tool/none", "", "./tool/none", true},
		{both, dir, "", dir, false},
		{"", "tool", "", "tool", true},
		{":/none", "tool", "./tool", "", false},
	} {
		t.Setenv("PATH", tt.path)
		c, err := Find([]string{tt.name, "argument"})
		name := func(file string) string {
			if rest, err := filepath.Rel(dir, file); filepath.IsAbs(file) && err == nil && rest != "." {
				return rest
			}
			return file
		}
		if wrong, ok := errors.AsType[*Error](err); ok != (tt.file == "") ||
			ok && (name(wrong.Command) != tt.wrong || wrong.NotFound != tt.notFound) {
			t.Errorf("%q in %q: %#v", tt.name, tt.path, err)
		}
		if c != nil && (name(c.path) != tt.file || len(c.args) != 2 || c.args[0] != tt.name) {
			t.Errorf("%q in %q: %+v", tt.name, tt.path, c)
		}
	}
}
