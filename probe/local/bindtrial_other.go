//go:build !linux

package local

import "onmux/probe"

// try binds nothing on this system.
func (s settings) try(query, probe.Port) tried { return tried{} }
