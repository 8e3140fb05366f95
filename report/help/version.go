package help

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// Build is what a program knows of how it was built. The zero value of a field is not known.
type Build struct {
	Version  string
	Commit   string // "-modified" follows if it was built from files that differ from it
	Date     string // of the commit, as 2026-11-28T08:30:00Z
	Go       string
	Platform string
}

// BuildOf reads what the Go toolchain recorded in this program.
func BuildOf(version string) Build {
	b := Build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				b.Commit += "-modified"
			}
		}
	}
	return b
}

// Day is the date of the commit without its time, or otherwise.
func (b Build) Day(otherwise string) string {
	at, err := time.Parse(time.RFC3339, b.Date)
	if err != nil {
		return otherwise
	}
	return at.UTC().Format(time.DateOnly)
}

// String has a line for each field.
func (b Build) String() string {
	const missing = "not recorded: built without version control"
	return fmt.Sprintf("onmux %s\ncommit    %s\ndate      %s\ngo        %s\nplatform  %s\n", b.Version,
		cmp.Or(b.Commit, missing), cmp.Or(b.Date, missing), b.Go, b.Platform)
}
