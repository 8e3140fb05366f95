package probe

import "golang.org/x/sys/unix"

// canTrace says that sockets hear of the routers at which their packets ended.
const canTrace = true

// limit bounds how often the socket's packets are handed on: their TTL, or hop
// limit. 0 leaves it to the system.
func (s *socket) limit(hops int) error {
	switch {
	case hops == 0:
		return nil
	case s.v4:
		return unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_TTL, hops)
	}
	return unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, hops)
}
