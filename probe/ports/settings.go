package ports

import "slices"

// Settings are this system's rules about binding ports. Nil is not known.
type Settings struct {
	UnprivilegedFrom *int
	Privileged       *bool // whether the caller may bind below UnprivilegedFrom
	Ephemeral        *Span
	Reserved         []Span
	ReservedKnown    bool
	Platform         Platform
	Unknown          []UnknownSetting
}

// Platform is where the settings come from.
type Platform uint8

// The platforms.
const (
	Linux     Platform = iota // its settings were read
	OtherUnix                 // nothing was read: what holds for most Unix systems may hold
	Windows                   // nothing was read: no port needs a privilege
)

// UnknownSetting is a setting that could not be read.
type UnknownSetting struct {
	Setting Setting
	Err     error
}

// Setting names one of the rules.
type Setting uint8

// The settings.
const (
	LowPorts Setting = iota // which ports need a privilege
	Privilege
	EphemeralPorts
	ReservedPorts
)

// IsReserved reports whether the kernel gives a port to no connection.
func (s *Settings) IsReserved(port uint16) bool {
	return slices.ContainsFunc(s.Reserved, func(r Span) bool { return r.Has(port) })
}

func (s *Settings) unknown(setting Setting, err error) {
	s.Unknown = append(s.Unknown, UnknownSetting{setting, err})
}
