//go:build !linux

package probe

const canTrace = false
