//go:build unix

package become

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// defaultPath is where commands are looked up if there is no PATH, as execvp(3) does.
const defaultPath = "/bin:/usr/bin"

// Find looks a command up as a shell does: a name in the folders of PATH, anything with a
// slash as a file. Nothing is executed.
func Find(args []string) (*Command, error) {
	name := args[0]
	if strings.Contains(name, "/") {
		if err := executable(name); err != nil {
			return nil, &Error{name, errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR), err}
		}
		return &Command{name, args}, nil
	}
	path, ok := os.LookupEnv("PATH")
	if !ok {
		path = defaultPath
	}
	var denied error
	for _, dir := range filepath.SplitList(path) {
		if name == "" {
			break
		}
		file := cmp.Or(dir, ".") + "/" + name
		err := executable(file)
		if err == nil {
			return &Command{file, args}, nil
		}
		// Nothing is known of what is in a folder that may not be searched: for shells, it is not there.
		if _, gone := os.Stat(file); gone == nil && denied == nil && errors.Is(err, fs.ErrPermission) {
			denied = &Error{file, false, err}
		}
	}
	return nil, cmp.Or[error](denied, &Error{name, true, fmt.Errorf("it is in no folder of PATH (%s)", path)})
}

// executable returns what is wrong with a file that is to be executed, without its name.
func executable(file string) error {
	_, err := exec.LookPath(file)
	if wrong, ok := errors.AsType[*exec.Error](err); ok {
		err = wrong.Err
	}
	if wrong, ok := errors.AsType[*fs.PathError](err); ok {
		err = wrong.Err
	}
	return err
}

// Run replaces this process. It returns only if that fails. The command finds all signals as
// they were when this process began, except that only SIGHUP and SIGINT are ignored: of
// others Go does not keep whether they were.
func (c *Command) Run() error {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // Reset does not end that a signal is ignored
	signal.Reset()
	err := syscall.Exec(c.path, c.args, os.Environ())
	switch {
	case errors.Is(err, syscall.ENOENT): // the file itself was there
		err = errors.New("its interpreter or its loader is not there")
	case errors.Is(err, syscall.ENOEXEC):
		err = fmt.Errorf("%w: it is not a program of this system, nor a script with #! in its first line", err)
	}
	return &Error{c.path, false, err}
}
