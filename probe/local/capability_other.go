//go:build !linux

package local

// ownCapabilities is 0: there are none.
func ownCapabilities() Capabilities { return 0 }
