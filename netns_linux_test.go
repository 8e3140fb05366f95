package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// inNetns becomes another program in a network namespace of its own: in-netns hold
// tcp 0.0.0.0:417. Only loopback is there, and it is down.
func inNetns() {
	runtime.LockOSThread() // the thread that calls exec is what remains
	err := syscall.Unshare(syscall.CLONE_NEWNET)
	if err == nil {
		var path string
		if path, err = exec.LookPath(os.Args[1]); err == nil {
			err = syscall.Exec(path, os.Args[1:], os.Environ())
		}
	}
	fmt.Fprintln(os.Stderr, "in-netns:", err)
	os.Exit(1)
}
