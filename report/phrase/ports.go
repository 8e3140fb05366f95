package phrase

import (
	"fmt"

	"onmux/probe/ports"
)

// PortCoverage has a sentence for each source of what is known of ports: which was
// read, and which was not.
func PortCoverage(m *ports.Machine) []string {
	names := "this machine's names: " + m.ServicesFile +
		"; other sources of names that it may be set up to ask were not asked"
	if m.ServicesError != "" {
		names = fmt.Sprintf("this machine's names: %s: %s", m.ServicesFile, m.ServicesError)
	}
	coverage := []string{
		"IANA's names as of " + ports.RegistryDate() + ", one for a port and protocol, as Wireshark has them (Debian's " +
			ports.RegistrySource() + ")",
		names,
	}
	if m.Platform != ports.Linux {
		return append(coverage, "privileges, and where connections take their ports from: this system was not asked")
	}
	coverage = append(coverage,
		"privileges: those of this process, in this network namespace; SELinux, seccomp and the like were not asked")
	for _, u := range m.Unknown {
		coverage = append(coverage, fmt.Sprintf("%s is not known: %v", setting(u.Setting), u.Err))
	}
	return coverage
}

func setting(s ports.Setting) string {
	switch s {
	case ports.LowPorts:
		return "which ports need a privilege to bind"
	case ports.Privilege:
		return "whether the caller may bind low ports"
	case ports.EphemeralPorts:
		return "where connections take their ports from"
	}
	return "which ports are reserved"
}

// PortNotes has what holds for systems of a platform in general, where the system's own
// settings were not read. root is whether the caller is root.
func PortNotes(p ports.Platform, port uint16, root bool) []string {
	switch {
	case p == ports.Linux:
		return nil
	case p == ports.Windows:
		return []string{"on Windows no port needs a privilege to bind; " +
			"ranges that it, or a program, keeps for itself are not known here"}
	case ports.RangeOf(port) != ports.System:
		return []string{"on most Unix systems any user may bind a port from 1024 up; whether this one agrees is not " +
			"known"}
	}
	note := "on most Unix systems a port below 1024 needs root to bind; whether this one agrees is not known"
	if root {
		note += " (you are root)"
	}
	return []string{note}
}
