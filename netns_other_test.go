//go:build !linux

package main

import "os"

// inNetns fails: only Linux has network namespaces.
func inNetns() { os.Exit(1) }

// forbid fails: only Linux has seccomp.
func forbid() { os.Exit(1) }
