//go:build !linux

package main

import "os"

// inNetns fails: only Linux has network namespaces.
func inNetns() { os.Exit(1) }

// forbid fails: only Linux has seccomp.
func forbid() { os.Exit(1) }

// nameServer fails: only Linux has namespaces for it.
func nameServer() { os.Exit(1) }

// withResolver fails: only Linux has mount namespaces.
func withResolver() { os.Exit(1) }
