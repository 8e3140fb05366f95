//go:build !linux

package probe

import "net"

// PeerWindow is not known on this system.
func PeerWindow(*net.TCPConn) (bytes uint32, known bool) { return 0, false }

// HasUnacknowledged is not known on this system.
func HasUnacknowledged(*net.TCPConn) (unacknowledged, known bool) { return false, false }
