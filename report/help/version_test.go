package help

import (
	"runtime"
	"strings"
	"testing"
)

// Everything that is known has a line; what is not is called so.
func TestBuild(t *testing.T) {
	full := Build{
		Version: "1.2.3", Commit: "abc-modified", Date: "2026-11-28T23:30:00+02:00", Go: "go1.26.0", Platform: "linux/arm64",
	}
	want := "onmux 1.2.3\ncommit    abc-modified\ndate      2026-11-28T23:30:00+02:00\ngo        go1.26.0\n" +
		"platform  linux/arm64\n"
	if got := full.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := full.Day("other"); got != "2026-11-28" {
		t.Error(got)
	}
	if got := (Build{Version: "1"}).String(); strings.Count(got, "not recorded: built without version control\n") != 2 {
		t.Error(got)
	}
	if got := (Build{}).Day("other"); got != "other" {
		t.Error(got)
	}
	own := BuildOf("1.2.3")
	if own.Version != "1.2.3" || own.Go != runtime.Version() || own.Platform != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("%+v", own)
	}
}
