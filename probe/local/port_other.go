//go:build !linux

package local

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

// readSettings knows only what holds for systems of a kind: this one is not
// asked.
func readSettings() settings {
	s := settings{
		general:  general,
		coverage: []string{"privileges, and where connections take their ports from: this system was not asked"},
	}
	if runtime.GOOS == "windows" {
		s.lowFrom = new(0)
		s.general = func(uint16) []string {
			return []string{"Windows takes no privilege to bind any port; ranges that it, or a program, keeps for itself are not known here"}
		}
	}
	return s
}

// general is what most Unix systems do.
func general(port uint16) []string {
	if !System.Span().Has(port) {
		return []string{"on most Unix systems any user may bind a port from 1024 up; whether this one agrees is not known"}
	}
	said := "on most Unix systems a port below 1024 takes root to bind; whether this one agrees is not known"
	if os.Geteuid() == 0 {
		said += " (you are root)"
	}
	return []string{said}
}
