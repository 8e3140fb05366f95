//go:build !linux

package main

// forward is for scripts, which run on Linux only.
func forward() {}
