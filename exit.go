package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"onmux/report/phrase"
)

// The exit codes of every command.
const (
	exitHolds   = 0   // done, and what was expected holds
	exitFails   = 1   // done, and what was expected does not hold
	exitUsage   = 2   // bad flag, target or file; nothing was sent
	exitUnsure  = 3   // could not tell
	exitTimeout = 124 // --wait or --deadline ran out
)

// exitMeanings is what the manual says of them.
var exitMeanings = []struct {
	code    int
	meaning string
}{
	{exitHolds, "done, and what was expected holds"},
	{exitFails, "done, and what was expected does not hold (diff: something changed)"},
	{exitUsage, "usage: bad flag, target or file; nothing was sent"},
	{exitUnsure, "could not tell: permission, no route, interrupted before the end, a read or write error"},
	{exitTimeout, "--wait or --deadline ran out"},
}

// fault is an error that knows its exit code and what to do about it. With no
// err nothing is printed: the report said it already.
type fault struct {
	code  int
	err   error
	hint  string
	fails bool // time ran out, and what was expected definitely does not hold
}

func (f *fault) Error() string {
	if f.err == nil {
		return fmt.Sprintf("exit status %d", f.code)
	}
	return f.err.Error()
}

func (f *fault) Unwrap() error { return f.err }

func usage(err error, hint string) error { return &fault{code: exitUsage, err: err, hint: hint} }

// tell prints an error as one line, and a hint as another, and returns the exit
// code that belongs to it.
func tell(err error, style exitStyle, stderr io.Writer) int {
	if err == nil {
		return exitHolds
	}
	f := &fault{code: exitUnsure, err: err}
	errors.As(err, &f)
	if f.err != nil {
		fmt.Fprintln(stderr, "onmux:", phrase.Visible(strings.ReplaceAll(f.err.Error(), "\n", "; ")))
	}
	if f.hint != "" {
		fmt.Fprintln(stderr, "hint:", f.hint)
	}
	return style.code(f)
}

// failure makes an error one that says "could not tell", unless it knows better.
func failure(err error) error {
	var f *fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	return &fault{code: exitUnsure, err: err}
}

// exitStyle is whose habits the exit codes follow.
type exitStyle string

// exitStyles are what --exit-style takes, the default first.
var exitStyles = []string{"onmux", "nagios", "docker"}

// styleOf finds --exit-style in a command line, of which anything else may be
// wrong: that it is must be told in the same style.
func styleOf(args []string) exitStyle {
	for i, a := range args {
		name, value, given := strings.Cut(strings.TrimPrefix(a, "-"), "=")
		if name != "-exit-style" && name != "exit-style" || !strings.HasPrefix(a, "-") {
			continue
		}
		if !given && i+1 < len(args) {
			value = args[i+1]
		}
		if slices.Contains(exitStyles, value) {
			return exitStyle(value)
		}
	}
	return exitStyle(exitStyles[0])
}

// code is the exit code of f. A plugin of Nagios says 0 for OK, 2 for CRITICAL
// and 3 for UNKNOWN (Monitoring Plugins Development Guidelines); a HEALTHCHECK
// of Docker knows 0 and 1, and reserves 2.
func (s exitStyle) code(f *fault) int {
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
