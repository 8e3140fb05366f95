package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"onmux/report/become"
	"onmux/report/exitcode"
)

// execKey is where an app keeps the command of --exec.
const execKey = "exec"

// execution is the command that this process becomes when what is expected holds.
type execution struct {
	args    []string
	command *become.Command
	due     bool // what is expected holds
}

// cutExec separates the command of --exec, which stands behind "--", from the line.
func cutExec(args []string) ([]string, *execution) {
	end := slices.Index(args, "--")
	if end < 0 || !slices.ContainsFunc(args[:end], func(a string) bool { return a == "--exec" || a == "-exec" }) {
		return args, &execution{}
	}
	return args[:end:end], &execution{args: args[end+1:]}
}

// readExec reads --exec, and looks up its command.
func (r flagReader) readExec() error {
	if !r.c.Bool("exec") {
		return nil
	}
	const hint = "as in --expect open --wait 30s --exec -- COMMAND ARG..."
	e := r.c.App.Metadata[execKey].(*execution)
	switch {
	case len(e.args) == 0:
		return usageError(errors.New("--exec needs a command after --"), hint)
	case len(r.expect) == 0 && r.command != "verify":
		return usageError(errors.New("--exec needs --expect"), hint)
	}
	for _, other := range []string{"watch", "dry-run", "snapshot"} {
		if r.c.Bool(other) {
			return usageError(fmt.Errorf("--exec and --%s exclude each other", other), "")
		}
	}
	var err error
	if e.command, err = become.Find(e.args); err != nil {
		return execError(err)
	}
	r.execute = e
	return nil
}

// execError is an error of --exec with the exit code that shells have for it.
func execError(err error) error {
	code := exitcode.Usage
	if wrong, ok := errors.AsType[*become.Error](err); ok {
		if code = exitcode.NotExecutable; wrong.NotFound {
			code = exitcode.NotFound
		}
	}
	return &exitError{code: code, err: fmt.Errorf("--exec: %w", err)}
}

// run becomes the command, if a run whose expectations hold has asked for that. A signal
// that arrived meanwhile ends this process, as it would have ended the command.
func (e *execution) run(ctx context.Context) error {
	switch {
	case !e.due:
		return nil
	case ctx.Err() != nil:
		return &exitError{code: exitcode.Unknown} // printed when it happened
	}
	return execError(e.command.Run())
}
