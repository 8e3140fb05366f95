package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"onmux/probe/wording"
	"onmux/report"
	"onmux/report/exitcode"
	"onmux/report/help"
	"onmux/report/phrase"
)

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
	return &exitError{code: exitcode.Usage, err: err, hint: hint}
}

// printError prints an error as one line, and a hint as another, and returns the exit
// code that belongs to it.
func printError(err error, style exitcode.Style, stderr io.Writer) int {
	if err == nil {
		return exitcode.Holds
	}
	f := &exitError{code: exitcode.Unknown, err: err}
	errors.As(err, &f)
	if f.err != nil {
		fmt.Fprintln(stderr, "onmux:", asLocale(phrase.Visible(strings.ReplaceAll(f.err.Error(), "\n", "; "))))
	}
	if f.hint != "" {
		fmt.Fprintln(stderr, "hint:", asLocale(f.hint))
	}
	return style.Of(f.code, f.fails)
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
		return exitcode.Holds
	}
	f := &exitError{code: exitcode.Unknown}
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
	if hinted, ok := errors.AsType[*wording.HintedError](err); ok {
		return &exitError{code: exitcode.Unknown, err: err, hint: hinted.Hint}
	}
	return &exitError{code: exitcode.Unknown, err: err}
}
