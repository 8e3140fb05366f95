//go:build !linux

package main

// redirect is for scripts, which run on Linux only.
func redirect() {}
