package listen

import (
	"net"
	"syscall"
	"unsafe"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"
)

// saveSYN makes a TCP listener keep the headers of SYNs (tcp(7), TCP_SAVE_SYN).
func saveSYN(network, _ string, c syscall.RawConn) error {
	if network == "tcp4" || network == "tcp6" {
		return c.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_SAVE_SYN, 1) // without it, less is known
		})
	}
	return nil
}

// savedSYN is what the client's SYN says, and its TTL; nil and 0 if the kernel did not keep it.
func savedSYN(c *net.TCPConn) (*SYN, uint8) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, 0
	}
	buf := make([]byte, 512) // an IP and a TCP header, each with its options, are shorter
	n := uint32(0)
	_ = raw.Control(func(fd uintptr) {
		size := uint32(len(buf))
		if _, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.IPPROTO_TCP, unix.TCP_SAVED_SYN,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), 0); errno == 0 {
			n = size
		}
	})
	return parseSYN(buf[:n])
}

// parseSYN reads IP and TCP headers. Of IPv6, extension headers are not passed over.
func parseSYN(b []byte) (*SYN, uint8) {
	if len(b) == 0 {
		return nil, 0
	}
	first := layers.LayerTypeIPv4
	if b[0]>>4 == 6 {
		first = layers.LayerTypeIPv6
	}
	p := gopacket.NewPacket(b, first, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	ttl := uint8(0)
	switch ip := p.NetworkLayer().(type) {
	case *layers.IPv4:
		ttl = ip.TTL
	case *layers.IPv6:
		ttl = ip.HopLimit
	}
	tcp, ok := p.TransportLayer().(*layers.TCP)
	if !ok {
		return nil, ttl
	}
	s := &SYN{Window: tcp.Window}
	for _, o := range tcp.Options {
		name := optionName(o.OptionType)
		if name == "" {
			continue
		}
		s.Options = append(s.Options, name)
		switch data := o.OptionData; {
		case o.OptionType == layers.TCPOptionKindMSS && len(data) == 2:
			s.MSS = uint16(data[0])<<8 | uint16(data[1])
		case o.OptionType == layers.TCPOptionKindWindowScale && len(data) == 1:
			s.Scale = &data[0]
		}
	}
	return s, ttl
}
