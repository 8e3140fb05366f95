//go:build !linux

package listen

import (
	"net"
	"syscall"
)

func saveSYN(string, string, syscall.RawConn) error { return nil }

// savedSYN knows nothing: this system does not keep SYNs.
func savedSYN(*net.TCPConn) (*SYN, uint8) { return nil, 0 }
