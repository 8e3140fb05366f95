package link

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// portTries is how many blocks are tried.
const portTries = 64

// Ports is a block of adjacent source ports that no other program on this machine
// can use until it is closed. Its sockets receive nothing: the kernel answers a
// SYN-ACK to one of them with a RST, and a datagram with silence.
type Ports struct {
	First uint16
	fds   []int
}

// announcement is the name, in the abstract namespace of unix(7), of a socket that a
// scan has while it sends from a block of UDP ports. Other scans in this network
// namespace, to which the name is limited, find it in /proc.
const announcement = "@onmux-udp-source-ports-%d-%d"

// Reserve reserves count ports of one protocol, TCP or else UDP, in both families.
func Reserve(tcp bool, count int) (*Ports, error) {
	var err error
	for range portTries {
		p := &Ports{First: uint16(FirstPort + rand.IntN(65536-FirstPort-count))}
		if err = p.bind(tcp, count); err == nil {
			if !tcp {
				p.announce(count)
			}
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

// announce lets other scans know the block. Where it fails they take this scan's
// datagrams for what they are not, which is no reason to give up.
func (p *Ports) announce(count int) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	p.fds = append(p.fds, fd)
	name := fmt.Sprintf(announcement, p.First, int(p.First)+count-1)
	_ = unix.Bind(fd, &unix.SockaddrUnix{Name: name})
}

// AnnouncedPorts are the blocks of UDP ports that scans in this network namespace send
// from at present, this process's own included.
func AnnouncedPorts() []PortRange {
	// The directory of the process is that of its first thread, which may be in
	// another network namespace.
	b, err := os.ReadFile("/proc/thread-self/net/unix")
	if err != nil {
		return nil
	}
	var all []PortRange
	for line := range strings.Lines(string(b)) {
		var r PortRange
		at := strings.IndexByte(line, '@')
		if at < 0 {
			continue
		}
		if n, _ := fmt.Sscanf(line[at:], announcement, &r.First, &r.Last); n == 2 && r.First >= FirstPort {
			all = append(all, r)
		}
	}
	return all
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
