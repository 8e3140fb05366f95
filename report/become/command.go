package become

import (
	"errors"
	"fmt"
)

// ErrUnsupported is the error of a system where no process can become another command.
var ErrUnsupported = errors.New("no process can become another command on this system")

// Command is a program with its arguments.
type Command struct {
	path string
	args []string // the first is the name as given
}

// Error is why a command cannot be executed.
type Error struct {
	Command  string
	NotFound bool // shells exit with 127 then, else with 126
	Err      error
}

func (e *Error) Error() string {
	name := e.Command
	if name == "" {
		name = `""`
	}
	return fmt.Sprintf("%s cannot be executed: %v", name, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
