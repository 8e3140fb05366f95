//go:build unix && !linux

package files

import "os"

// sameOpenFile is false: these systems do not report it.
func sameOpenFile(_, _ *os.File) bool { return false }
