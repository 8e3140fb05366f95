package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"onmux/probe/wording"
	"onmux/report"
	"onmux/report/help"
	"onmux/report/phrase"
)

// The exit codes of every command.
const (
	exitHolds   = 0   // done, and what was expected holds
	exitFails   = 1   // done, and what was expected does not hold
	exitUsage   = 2   // bad flag, target or file; nothing was sent
	exitUnknown = 3   // could not tell
	exitTimeout = 124 // --wait or --deadline ran out

	// As of a shell, for the command of --exec.
	exitNotExecutable = 126
	exitNotFound      = 127
)

// exitCodes are the codes with their meanings, for the manual.
var exitCodes = []help.ExitCode{
	{Code: exitHolds, Meaning: "done, and what was expected holds"},
	{Code: exitFails, Meaning: "done, and what was expected does not hold (diff: something certainly changed)"},
	{Code: exitUsage, Meaning: "usage: bad flag, target or file; nothing was sent"},
	{
		Code:    exitUnknown,
		Meaning: "could not tell: permission, no route, interrupted before the end, a read or write error",
	},
	{Code: exitTimeout, Meaning: "--wait or --deadline ran out"},
	{Code: exitNotExecutable, Meaning: "the command of --exec cannot be executed"},
	{Code: exitNotFound, Meaning: "the command of --exec is not there; nothing was sent"},
}

// exitError is an error with an exit code and a hint. Without err nothing is
// printed: the reason is in the report.
type exitError struct {
	code int
	err  error
	hint string

	reported bool // a report was written, also for programs

	fails bool // time ran out, and what was expected definitely does not hold
}

func (f *exitError) Error() string {
	if f.err == nil {
		return fmt.Sprintf("exit status %d", f.code)
	}
	return f.err.Error()
}

func (f *exitError) Unwrap() error { return f.err }

func usageError(err error, hint string) error {
	return &exitError{code: exitUsage, err: err, hint: hint}
}

// printError prints an error as one line, and a hint as another, and returns the exit
// code that belongs to it.
func printError(err error, style exitStyle, stderr io.Writer) int {
	if err == nil {
		return exitHolds
	}
	f := &exitError{code: exitUnknown, err: err}
	errors.As(err, &f)
	if f.err != nil {
		fmt.Fprintln(stderr, "onmux:", asLocale(phrase.Visible(strings.ReplaceAll(f.err.Error(), "\n", "; "))))
	}
	if f.hint != "" {
		fmt.Fprintln(stderr, "hint:", asLocale(f.hint))
	}
	return style.code(f)
}

// asLocale is a message in the characters that can be shown.
func asLocale(message string) string {
	if report.ASCII() {
		return phrase.ASCII(message)
	}
	return message
}

// reported states of an error that a report was written before it.
func reported(err error) error {
	if f := (*exitError)(nil); errors.As(err, &f) {
		f.reported = true
	}
	return err
}

// reportProblem writes, where the command line asks for the output of a plugin for Nagios on
// standard output and an error came before any, that the state is UNKNOWN.
func reportProblem(err error, args []string, stdout io.Writer) error {
	f := (*exitError)(nil)
	title, asked := help.NagiosTitle(args)
	if err == nil || errors.As(err, &f) && f.reported || !asked {
		return err
	}
	text := phrase.Visible(strings.ReplaceAll(err.Error(), "\n", "; "))
	_, broken := fmt.Fprintln(stdout, strings.ReplaceAll(title+" UNKNOWN - "+text, "|", "/"))
	return cmp.Or(err, broken)
}

// codeOf is the exit code of an error.
func codeOf(err error) int {
	if err == nil {
		return exitHolds
	}
	f := &exitError{code: exitUnknown}
	errors.As(err, &f)
	return f.code
}

// failure gives an error the exit code for "could not tell", unless it has another or is
// the user's.
func failure(err error) error {
	if err == nil || errors.As(err, new(*exitError)) {
		return err
	}
	if usage, ok := errors.AsType[*wording.UsageError](err); ok {
		return usageError(err, usage.Hint)
	}
	return &exitError{code: exitUnknown, err: err}
}

// exitStyle is the program whose exit codes are used.
type exitStyle string

// exitStyles are what --exit-style takes, the default first.
var exitStyles = []string{"onmux", "nagios", "docker"}

// exitStyleOf finds --exit-style in a command line that may otherwise be wrong:
// also the exit code for that is in this style.
func exitStyleOf(args []string) exitStyle {
	if value := help.GivenValues(args, "exit-style")[0]; slices.Contains(exitStyles, value) {
		return exitStyle(value)
	}
	return exitStyle(exitStyles[0])
}

// code is the exit code of f. A plugin of Nagios exits with 0 for OK, 2 for CRITICAL
// and 3 for UNKNOWN (Monitoring Plugins Development Guidelines); a HEALTHCHECK
// of Docker knows 0 and 1, and reserves 2.
func (s exitStyle) code(f *exitError) int {
	switch {
	case f.code == exitHolds:
		return exitHolds
	case s == "docker":
		return 1
	case s == "nagios" && (f.code == exitFails || f.fails):
		return 2
	case s == "nagios":
		return 3
	}
	return f.code
}
