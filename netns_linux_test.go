package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// abroad becomes another program in a network namespace of its own: abroad hold
// tcp 0.0.0.0:417. Only loopback is there, and it is down.
func abroad() {
	runtime.LockOSThread() // the thread that calls exec is what remains
	err := syscall.Unshare(syscall.CLONE_NEWNET)
	if err == nil {
		var path string
		if path, err = exec.LookPath(os.Args[1]); err == nil {
			err = syscall.Exec(path, os.Args[1:], os.Environ())
		}
	}
	fmt.Fprintln(os.Stderr, "abroad:", err)
	os.Exit(1)
}
