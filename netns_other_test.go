//go:build !linux

package main

import "os"

// inNetns fails: only Linux has network namespaces.
func inNetns() { os.Exit(1) }
