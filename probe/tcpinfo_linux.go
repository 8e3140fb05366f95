package probe

import (
	"net"
	"time"

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
		d := descriptor{fd: int(fd)}
		info, ok = d.info()
	})
	return info, ok && err == nil
}

// tcpOptions are the bits of tcpi_options (linux/tcp.h, TCPI_OPT_*).
var tcpOptions = []struct {
	bit  uint8
	name string
}{{1, "timestamps"}, {2, "sack"}, {4, "window-scale"}, {8, "ecn"}}

// handshake is what TCP_INFO has on a connection that has sent no data yet.
func handshake(info unix.TCPInfo, window bool) *Handshake {
	h := &Handshake{
		RTT: Millis(info.Rtt) * Millis(time.Microsecond), RTTVar: Millis(info.Rttvar) * Millis(time.Microsecond),
		MSS: info.Snd_mss, PathMTU: info.Pmtu, SYNs: int(info.Total_retrans) + 1,
	}
	if window {
		h.Window = &info.Snd_wnd
	}
	for _, o := range tcpOptions {
		if info.Options&o.bit != 0 {
			h.Options = append(h.Options, o.name)
		}
	}
	return h
}
