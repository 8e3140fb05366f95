//go:build !linux

package ports

import (
	"os"
	"path/filepath"
	"runtime"
)

func servicesFile() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(os.Getenv("SystemRoot"), "System32", "drivers", "etc", "services")
	}
	return "/etc/services"
}

// ReadSettings knows only the platform: nothing is read.
func ReadSettings() Settings {
	if runtime.GOOS == "windows" {
		return Settings{Platform: Windows, UnprivilegedFrom: new(0)}
	}
	return Settings{Platform: OtherUnix}
}
