package owner

import (
	"os"
	"path/filepath"
	"testing"
)

// The kernel cuts names at 15 bytes; the program or the command line has the whole.
func TestWholeName(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ comm, exe, cmdline, want string }{
		"by the program": {"postgres_export", "/usr/bin/postgres_exporter", "", "postgres_exporter"},
		"deleted":        {"postgres_export", "/usr/bin/postgres_exporter (deleted)", "", "postgres_exporter"},
		"by argv[0]":     {"postgres_export", "", "/opt/postgres_exporter\x00--web", "postgres_exporter"},
		"a script": {"my_very_long_sc", "/usr/bin/python3", "python3\x00/x/my_very_long_script.py\x00",
			"my_very_long_script.py"},
		"15 bytes":         {"abcdefghijklmno", "/x/abcdefghijklmno", "", "abcdefghijklmno"},
		"short":            {"nginx", "/usr/sbin/nginx-debug", "nginx-debug", "nginx"},
		"another's":        {"abcdefghijklmno", "/x/y", "y\x00abc\x00abcdefghijklmnopq", "abcdefghijklmno"},
		"set by itself":    {"worker thread 1", "/usr/bin/server", "server\x00", "worker thread 1"},
		"nothing readable": {"abcdefghijklmno", "", "", "abcdefghijklmno"},
	} {
		root := t.TempDir()
		dir := filepath.Join(root, "7")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		stat := "7 (" + c.comm + ") S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 100 1000 2 3"
		for file, content := range map[string]string{"stat": stat, "cmdline": c.cmdline} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if c.exe != "" {
			if err := os.Symlink(c.exe, filepath.Join(dir, "exe")); err != nil {
				t.Fatal(err)
			}
		}
		f := newOwnerGrouper(ProcFS{Root: root})
		s, _ := parseStat([]byte(stat))
		o := f.owner(fdMatch{pid: 7, stat: s, known: true})
		comm := ""
		if c.want != c.comm {
			comm = c.comm
		}
		if o.Name != c.want || o.Comm != comm || f.name(7) != c.want {
			t.Errorf("%s: %q, %q, want %q, %q", name, o.Name, o.Comm, c.want, comm)
		}
	}
}
