package local

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/local/owner"
	"onmux/probe/local/socket"
)

func upper(p probe.Proto) string { return strings.ToUpper(p.String()) }

// places has how the coverage calls each place that sockets are read from.
var places = map[socket.From]string{socket.FromKernel: "the kernel (sock_diag)", socket.FromProc: "/proc/net", socket.FromTable: "the kernel", socket.FromLsof: "lsof"}

// familyNames is what was asked for.
func familyNames(s socket.Source) string {
	switch {
	case !s.IPv6:
		return "IPv4"
	case !s.IPv4:
		return "IPv6"
	}
	return "IPv4 and IPv6"
}

// coverage says where the sockets of each protocol were read, protocols alike
// in one sentence, and which family nobody asked for.
func (q query) coverage(sources []socket.Source) []string {
	var said []string
	told := make(map[string][]string) // what is said: of which protocols
	var order []string
	for _, s := range sources {
		what := whence(s)
		if told[what] == nil {
			order = append(order, what)
		}
		told[what] = append(told[what], upper(s.Proto))
	}
	for _, what := range order {
		said = append(said, strings.Join(told[what], " and ")+" sockets"+what)
	}
	switch {
	case !q.IPv6:
		said = append(said, "IPv6 not looked at (-4)")
	case !q.IPv4:
		said = append(said, "IPv4 not looked at (-6)")
	}
	return said
}

// whence continues a sentence that begins with the protocol's sockets.
func whence(s socket.Source) string {
	families, from := familyNames(s), places[s.From]
	switch {
	case s.From == "":
		return fmt.Sprintf(", %s: not read: %v", families, s.Err)
	case s.Err != nil:
		return fmt.Sprintf(", %s, from %s: not all read: %v", families, from, s.Err)
	case s.Fallback != nil:
		return fmt.Sprintf(", %s, from %s because of: %v", families, from, s.Fallback)
	}
	return fmt.Sprintf(", %s, from %s", families, from)
}

// notes says what the sources do not report.
func (v view) notes() []string {
	var said []string
	if v.NoIPv6 {
		said = append(said, "IPv6: not available in this kernel")
	}
	for i, s := range v.Sources {
		switch s.From {
		case socket.FromProc:
			said = append(said, unreportedByProc(s.Proto))
		case socket.FromKernel:
			if s.NoBound && s.BoundErr != nil {
				said = append(said, fmt.Sprintf("TCP sockets that are bound and do not listen: not known if this kernel tells them (%v)", s.BoundErr))
			} else if s.NoBound {
				said = append(said, "TCP sockets that are bound and do not listen: not told by this kernel")
			}
		default:
			if i == 0 && v.netns == "" {
				said = append(said, "whether an IPv6 socket takes IPv4 too, devices and accept queues: not told by this system", "NAT redirects: not looked at")
			}
			if s.NoBound {
				said = append(said, "TCP sockets that are bound and do not listen: not told by this system")
			}
		}
	}
	if v.settled {
		said = append(said, "other network namespaces and NAT rules: not looked at, because something listens on every port")
	}
	return said
}

func unreportedByProc(proto probe.Proto) string {
	what := "whether [::] takes IPv4 and devices"
	if proto == probe.TCP {
		what = "sockets that are bound and do not listen, whether [::] takes IPv4, devices and accept queues"
	}
	return fmt.Sprintf("%s: not told by /proc/net: %s", upper(proto), what)
}

// hintsOf says what would make the sources report more.
func (v view) hintsOf() []string {
	for _, s := range v.Sources {
		switch {
		case s.From == socket.FromKernel && s.NoBound && s.BoundErr == nil:
			return []string{"Linux 6.8 and newer tell sockets that are bound and do not listen"}
		case s.Err == socket.ErrOwnOnly:
			return []string{"run as root to see the sockets of everybody"}
		}
	}
	return nil
}

// missing says why a socket has no owner; "" if nobody asked.
func missing(o owner.Owners) string {
	switch {
	case !o.Asked:
		return ""
	case o.Err != nil || o.Incomplete():
		return "owner not readable"
	}
	return "no process that can be seen here holds it: the kernel itself may, as for VXLAN, WireGuard or NFS"
}

// coverage says how many owners were found. A socket that no process can hold,
// such as a connection that waits to be accepted, is not counted.
func ownersCoverage(o owner.Owners, asked bool, listeners []Listener) []string {
	if !asked {
		return []string{"owners: not looked for"}
	}
	found, all := ownersFound(listeners)
	line := fmt.Sprintf("owners of %d of %d sockets", found, all)
	switch {
	case o.Err != nil:
		line += ": " + o.Err.Error()
	case found < all && len(o.Unreadable) > 0:
		line += fmt.Sprintf(": %s not readable without %s", count(len(o.Unreadable), "process", "processes"), privilege())
	case found < all && o.Hidden:
		line += ": /proc hides the processes of others (hidepid), which could not be looked at without " + privilege()
	}
	if slices.ContainsFunc(listeners, func(l Listener) bool { return len(l.Candidates) > 0 }) {
		return []string{line, "candidates: processes in the cgroup in which a socket was made, or of its user; none is known to hold it"}
	}
	return []string{line}
}

func ownersHints(o owner.Owners, listeners []Listener) []string {
	if found, all := ownersFound(listeners); o.Asked && found < all && (o.Incomplete() || os.Geteuid() > 0) {
		return []string{privilege() + " is needed to see every owner"}
	}
	return nil
}

// privilege is what reading other people's processes takes.
func privilege() string {
	if os.Geteuid() == 0 {
		return "CAP_SYS_PTRACE" // root in a container
	}
	return "root"
}

func ownersFound(listeners []Listener) (found, all int) {
	for _, l := range listeners {
		switch {
		case len(l.Owners) > 0:
			found++
			all++
		case l.State != Connected || l.Inode != 0:
			all++
		}
	}
	return found, all
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
