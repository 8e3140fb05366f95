package owner

import (
	"path"
	"strings"
)

// maxComm is the length at which the kernel cuts the name of a process (TASK_COMM_LEN
// less the NUL).
const maxComm = 15

// name is the whole name of a process.
func (f *ownerGrouper) name(pid int) string {
	return f.wholeName(pid, f.stat(pid).name)
}

// wholeName completes a name that the kernel has cut from the file that the process runs,
// or its command line; of a script the name follows that of the interpreter.
func (f *ownerGrouper) wholeName(pid int, comm string) string {
	if len(comm) < maxComm {
		return comm
	}
	names := []string{f.program(pid)}
	if b, err := f.Read(pid, "cmdline"); err == nil {
		args := parseCmdline(b)
		names = append(names, args[:min(len(args), 2)]...)
	}
	for _, name := range names {
		if name = path.Base(name); strings.HasPrefix(name, comm) {
			return clip(name)
		}
	}
	return comm
}
