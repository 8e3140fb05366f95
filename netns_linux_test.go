package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"onmux/probe/nettest"
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

// forbid becomes another program that may not make sockets of some families: forbid
// netlink,packet eperm onmux scan 127.0.0.1.
func forbid() {
	runtime.LockOSThread()
	families := map[string]int{"netlink": unix.AF_NETLINK, "packet": unix.AF_PACKET, "inet6": unix.AF_INET6}
	refusal := unix.EPERM
	if os.Args[2] == "eafnosupport" { // as systemd does
		refusal = unix.EAFNOSUPPORT
	}
	var err error
	for name := range strings.SplitSeq(os.Args[1], ",") {
		err = cmp.Or(err, nettest.ForbidSockets(families[name], refusal))
	}
	if err == nil {
		var path string
		if path, err = exec.LookPath(os.Args[3]); err == nil {
			err = syscall.Exec(path, os.Args[3:], os.Environ())
		}
	}
	fmt.Fprintln(os.Stderr, "forbid:", err)
	os.Exit(1)
}
