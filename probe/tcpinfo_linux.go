package probe

import (
	"net"

	"golang.org/x/sys/unix"
)

// PeerWindow is how many bytes the peer takes now; not known before Linux 5.4.
func PeerWindow(c *net.TCPConn) (bytes uint32, known bool) {
	info, window := connInfo(c)
	return info.Snd_wnd, window
}

// HasUnacknowledged reports whether the peer has not acknowledged all data.
func HasUnacknowledged(c *net.TCPConn) (unacknowledged, known bool) {
	info, known := connInfo(c)
	return info.Unacked > 0 || info.Notsent_bytes > 0, known
}

func connInfo(c *net.TCPConn) (info unix.TCPInfo, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return info, false
	}
	err = raw.Control(func(fd uintptr) {
		s := socket{fd: int(fd)}
		info, ok = s.info()
	})
	return info, ok && err == nil
}
