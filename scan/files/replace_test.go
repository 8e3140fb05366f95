package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestReplace: until Commit, and after Discard, the file is as it was; a link stays a link,
// also one to a file that did not exist; nothing else is left.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	file, link, dangling := filepath.Join(dir, "f"), filepath.Join(dir, "link"), filepath.Join(dir, "dangling")
	if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{link: "f", dangling: "new"} {
		if err := os.Symlink(to, name); err != nil {
			t.Skip(err)
		}
	}
	for _, c := range []struct {
		name   string
		text   string // "" discards it
		before string
		after  map[string]string
	}{
		{file, "", "old", map[string]string{"f": "old"}},
		{file, "1", "old", map[string]string{"f": "1"}},
		{link, "2", "1", map[string]string{"f": "2"}},
		{dangling, "", "2", map[string]string{"f": "2"}},
		{dangling, "4", "2", map[string]string{"f": "2", "new": "4"}},
	} {
		f, err := Replace(c.name, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(c.text); err != nil {
			t.Fatal(err)
		}
		if got := read(t, file); got != c.before {
			t.Errorf("%s: before the end the file is %q", c.name, got)
		}
		if c.text != "" {
			err = f.Commit()
		} else {
			f.Discard()
		}
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range c.after {
			if got := read(t, filepath.Join(dir, name)); got != want {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got, want)
			}
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != len(c.after)+2 {
			t.Errorf("%s: %v, %v", c.name, entries, err)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
}

// TestErrors: they do not name the temporary file.
func TestErrors(t *testing.T) {
	_, err := Replace(filepath.Join(t.TempDir(), "none", "f"), 0o600)
	if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "onmux") {
		t.Errorf("no folder: %v", err)
	}
	dir := t.TempDir()
	f, err := Replace(filepath.Join(dir, "f"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(f.Target(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err == nil || strings.Contains(err.Error(), "onmux") {
		t.Errorf("a folder of that name: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// TestAbandoned: a file that was left half-written is removed by the next that replaces the same
// file; one that is being written, and those beside other files, stay.
func TestAbandoned(t *testing.T) {
	if !canLock {
		t.Skip("no locks here")
	}
	dir := t.TempDir()
	name, other := filepath.Join(dir, "f"), filepath.Join(dir, "g")
	killed, err := Replace(name, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	killed.Close()
	writing, err := Replace(name, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := Replace(other, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere.Close()
	for range 2 { // also while another is being written
		f, err := Replace(name, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	for path, there := range map[string]bool{
		killed.Name(): false, writing.Name(): true, elsewhere.Name(): true, name: true,
	} {
		if _, err := os.Stat(path); (err == nil) != there {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := writing.Commit(); err != nil {
		t.Error(err)
	}
}

// TestAcquire: one lock at a time, by whatever name, and none is left.
func TestAcquire(t *testing.T) {
	if !canLock {
		t.Skip("no locks here")
	}
	dir := t.TempDir()
	name, link := filepath.Join(dir, "f"), filepath.Join(dir, "link")
	if err := os.Symlink("f", link); err != nil {
		t.Fatal(err)
	}
	l, err := Acquire(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, same := range []string{name, link, filepath.Join(dir, ".", "f")} {
		if _, err := Acquire(same); !errors.Is(err, ErrInUse) {
			t.Errorf("%s: %v", same, err)
		}
	}
	f, err := Replace(name, 0o600) // which does not remove the lock
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(name); !errors.Is(err, ErrInUse) {
		t.Errorf("after the file was replaced: %v", err)
	}
	l.Release()
	for range 2 {
		if l, err = Acquire(link); err != nil {
			t.Fatal(err)
		}
		l.Release()
	}
	(*Lock)(nil).Release()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("left: %v, %v", entries, err)
	}
	_, err = Acquire(filepath.Join(dir, "none", "f"))
	if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "onmux") {
		t.Errorf("no folder: %v", err)
	}
}
