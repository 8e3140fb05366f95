package netns

import (
	"maps"
	"net/netip"

	"onmux/probe"
	"onmux/probe/local/socket"
)

// MaxNamespaces bounds how many network namespaces are looked at.
const MaxNamespaces = 1024

// Host is the Listener.NetNS of the caller's own network namespace.
const Host = "host"

// Others is what was seen in network namespaces other than the caller's.
type Others struct {
	Namespaces []Namespace // by name
	Coverage   Coverage
}

// Coverage is which other network namespaces were looked at.
type Coverage struct {
	Looked     bool     // they were looked for
	Err        error    // why none was read, if they could not be found
	Read       int      // that were read
	ByProc     int      // of those by /proc/net, which does not report all sockets
	Failed     int      // that could not be read, or not wholly
	FailedErr  error    // why, of the first
	Unknown    int      // processes whose namespace is not known
	UnknownErr error    // why
	Closed     []string // names of namespaces that could not be entered, and may be others than those read
	ClosedErr  error    // why
	Hidden     bool     // /proc hides processes (hidepid)
	Beyond     int      // that are more than the bound
	Denied     bool     // more privileges would help
}

// Incomplete reports whether there are namespaces that were not looked at, or may be.
func (c Coverage) Incomplete() bool {
	return c.Err != nil || c.Failed > 0 || c.Unknown > 0 || len(c.Closed) > 0 || c.Hidden || c.Beyond > 0
}

// Namespace is a network namespace in which something was seen.
type Namespace struct {
	Name  string                         // Listener.NetNS: no two have the same, and none "host"
	Held  map[probe.Port][]socket.Socket // those that listen, and those that are bound
	Addrs []netip.Addr                   // its addresses, if they were asked for and could be seen
}

// Listening is the ports on which something listens there.
func (a Others) Listening() []probe.Port {
	var ports []probe.Port
	for _, s := range a.Namespaces {
		for p, sockets := range s.Held {
			if sockets[0].State == socket.Listening {
				ports = append(ports, p)
			}
		}
	}
	return ports
}

// Keep forgets the ports that are not wanted.
func (a Others) Keep(wanted func(probe.Port) bool) {
	for _, s := range a.Namespaces {
		maps.DeleteFunc(s.Held, func(p probe.Port, _ []socket.Socket) bool { return !wanted(p) })
	}
}

// Sockets is all that was seen.
func (a Others) Sockets() []socket.Socket {
	var all []socket.Socket
	for _, s := range a.Namespaces {
		for _, sockets := range s.Held {
			all = append(all, sockets...)
		}
	}
	return all
}
