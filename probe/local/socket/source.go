package socket

import (
	"errors"

	"onmux/probe"
)

// ErrOwnOnly means that the list has the caller's own sockets and no others.
var ErrOwnOnly = errors.New("without root this system lists only the sockets of one's own processes")

// From is a place to read sockets from.
type From string

// The places, the best first on each system.
const (
	FromKernel From = "sock_diag" // asked for the ports alone (sock_diag(7))
	FromProc   From = "/proc/net" // reports less than sock_diag
	FromTable  From = "table"     // the kernel's own table, on Windows
	FromLsof   From = "lsof"      // on other systems
)

// Source is where the sockets of one protocol were read, and how well.
type Source struct {
	Proto      probe.Proto
	From       From  // "" if they could not be read anywhere
	IPv4, IPv6 bool  // that were asked for
	Fallback   error // why they were not read from a better place
	Err        error // why they could not be read, or not all of them

	NoBound  bool  // sockets that are bound and do not listen are not reported, or may not be
	BoundErr error // why it is not known whether they are
}

// Survey is what was read of the sockets at some ports.
type Survey struct {
	Table   Table
	Sources []Source // one for each protocol
	NoIPv6  bool     // IPv6 was asked for, and the kernel has none
	// protocols of which raw sockets receive all packets
	Raw map[probe.Proto]bool
	// attempts to connect that were lost to a full accept queue in this network namespace
	// since it began (TcpExt ListenOverflows); a client that tries again counts again
	Overflows uint64
}

// Source is where the sockets of a protocol were read.
func (s Survey) Source(p probe.Proto) Source {
	for _, source := range s.Sources {
		if source.Proto == p {
			return source
		}
	}
	return Source{Proto: p}
}
