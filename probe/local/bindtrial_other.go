//go:build !linux

package local

import (
	"onmux/probe"
	"onmux/probe/local/socket"
)

// try binds nothing on this system.
func (s settings) try(socket.Query, probe.Port) tried { return tried{} }

// ipv6Obstacle is not known on this system.
func ipv6Obstacle() string { return "" }
