package phrase

import (
	"io/fs"
	"slices"
	"testing"

	"onmux/probe/local"
)

// In a root without /proc the report states what is missing, and for what.
func TestHintWithoutProc(t *testing.T) {
	const want = "/proc is not there, by which owners of sockets and other network namespaces are found"
	missing := &fs.PathError{Op: "open", Path: "/proc", Err: fs.ErrNotExist}
	for _, c := range []struct {
		err  error
		want bool
	}{{missing, true}, {fs.ErrPermission, false}, {nil, false}} {
		got := CheckHints(local.Coverage{Owners: local.OwnersCoverage{Asked: true, All: 1, Err: c.err}})
		if slices.Contains(got, want) != c.want {
			t.Errorf("%v: %q", c.err, got)
		}
	}
}
