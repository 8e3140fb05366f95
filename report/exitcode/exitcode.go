package exitcode

import (
	"slices"

	"onmux/report/help"
)

// The exit codes of every command.
const (
	Holds   = 0   // done, and what was expected holds
	Fails   = 1   // done, and what was expected does not hold
	Usage   = 2   // bad flag, target or file; nothing was sent
	Unknown = 3   // could not tell
	Timeout = 124 // --wait or --deadline ran out

	// As of a shell, for the command of --exec.
	NotExecutable = 126
	NotFound      = 127
)

// Codes are the codes with their meanings, for the manual.
func Codes() []help.ExitCode {
	return []help.ExitCode{
		{Code: Holds, Meaning: "done, and what was expected holds"},
		{Code: Fails, Meaning: "done, and what was expected does not hold (diff: something certainly changed)"},
		{Code: Usage, Meaning: "usage: bad flag, target or file; nothing was sent"},
		{
			Code:    Unknown,
			Meaning: "could not tell: permission, no route, interrupted before the end, a read or write error",
		},
		{Code: Timeout, Meaning: "--wait or --deadline ran out"},
		{Code: NotExecutable, Meaning: "the command of --exec cannot be executed"},
		{Code: NotFound, Meaning: "the command of --exec is not there; nothing was sent"},
	}
}

// Style is the program whose exit codes are used.
type Style string

// Styles are what --exit-style takes, the default first.
func Styles() []string { return []string{"onmux", "nagios", "docker"} }

// StyleOf finds --exit-style in a command line that may otherwise be wrong:
// also the exit code for that is in this style.
func StyleOf(args []string) Style {
	if value := help.GivenValues(args, "exit-style")[0]; slices.Contains(Styles(), value) {
		return Style(value)
	}
	return Style(Styles()[0])
}

// Of is the exit code for one of ours; fails: time ran out, and what was expected definitely does
// not hold. A plugin of Nagios exits with 0 for OK, 2 for CRITICAL and 3 for UNKNOWN (Monitoring
// Plugins Development Guidelines); a HEALTHCHECK of Docker knows 0 and 1, and reserves 2.
func (s Style) Of(code int, fails bool) int {
	switch {
	case code == Holds:
		return Holds
	case s == "docker":
		return 1
	case s == "nagios" && (code == Fails || fails):
		return 2
	case s == "nagios":
		return 3
	}
	return code
}
