package link

import (
	"fmt"
	"math/rand/v2"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	firstPort = 32768 // as Linux' ephemeral ports, which firewalls expect of clients
	portTries = 64    // blocks that are tried
)

// Ports is a block of adjacent source ports that no other program on this machine
// can use until it is closed. Its sockets receive nothing: the kernel answers a
// SYN-ACK to one of them with a RST, and a datagram with silence.
type Ports struct {
	First uint16
	fds   []int
}

// Reserve reserves count ports of one protocol, TCP or else UDP, in both families.
func Reserve(tcp bool, count int) (*Ports, error) {
	var err error
	for range portTries {
		p := &Ports{First: uint16(firstPort + rand.IntN(65536-firstPort-count))}
		if err = p.bind(tcp, count); err == nil {
			return p, nil
		}
		p.Close()
		if err != unix.EADDRINUSE {
			break
		}
	}
	return nil, fmt.Errorf("no %d adjacent source ports are free: %w", count, err)
}

func (p *Ports) bind(tcp bool, count int) error {
	kind := unix.SOCK_DGRAM
	if tcp {
		kind = unix.SOCK_STREAM
	}
	for i := range count {
		port := int(p.First) + i
		fd, err := unix.Socket(unix.AF_INET6, kind|unix.SOCK_CLOEXEC, 0)
		if err == unix.EAFNOSUPPORT {
			err = p.bind4(kind, port)
			if err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		p.fds = append(p.fds, fd)
		if err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err == nil && !tcp {
			err = attach(fd, nothing)
		}
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrInet6{Port: port})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bind4 is for kernels without IPv6.
func (p *Ports) bind4(kind, port int) error {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	p.fds = append(p.fds, fd)
	if kind == unix.SOCK_DGRAM {
		if err := attach(fd, nothing); err != nil {
			return err
		}
	}
	return unix.Bind(fd, &unix.SockaddrInet4{Port: port})
}

// nothing passes no packet.
var nothing = []bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K}}

// Close releases the ports.
func (p *Ports) Close() {
	for _, fd := range p.fds {
		unix.Close(fd)
	}
	p.fds = nil
}
