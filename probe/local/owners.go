package local

import (
	"context"
	"fmt"
	"os"
	"slices"
)

// ownership is who holds which socket.
type ownership struct {
	of map[uint64][]Owner // by socket.holder
	//lint:ignore U1000 only Linux asks
	listed []int // processes that were looked at, sorted
	unread []int // those of them whose descriptors could not be read, sorted
	hidden bool  // there are processes that are not listed
}

// owners is what is known of the owners; the zero value: nobody asked.
type owners struct {
	ownership
	origins map[uint64]Origin // by socket.holder
	asked   bool
	err     error // why no owner could be found
}

// askOwners finds the owners of the sockets. The error is the context's.
func askOwners(ctx context.Context, sockets []socket) (owners, error) {
	holders := make([]uint64, len(sockets))
	for i, s := range sockets {
		holders[i] = s.holder
	}
	found, err := findOwners(ctx, holders)
	o := owners{ownership: found, asked: true, err: err}
	if ctx.Err() == nil {
		o.origins = findOrigins(ctx, sockets, found)
	}
	return o, ctx.Err()
}

// missing says why a socket has no owner; "" if nobody asked.
func (o owners) missing() string {
	switch {
	case !o.asked:
		return ""
	case o.err != nil || o.blind():
		return "owner not readable"
	}
	return "no process that can be seen here holds it: the kernel itself may, as for VXLAN, WireGuard or NFS"
}

// coverage says how many owners were found. A socket that no process can hold,
// such as a connection that waits to be accepted, is not counted.
func (o owners) coverage(asked bool, listeners []Listener) []string {
	if !asked {
		return []string{"owners: not looked for"}
	}
	found, all := o.found(listeners)
	line := fmt.Sprintf("owners of %d of %d sockets", found, all)
	switch {
	case o.err != nil:
		line += ": " + o.err.Error()
	case found < all && len(o.unread) > 0:
		line += fmt.Sprintf(": %s not readable without %s", count(len(o.unread), "process", "processes"), privilege())
	case found < all && o.hidden:
		line += ": /proc hides the processes of others (hidepid), which could not be looked at without " + privilege()
	}
	if slices.ContainsFunc(listeners, func(l Listener) bool { return len(l.Candidates) > 0 }) {
		return []string{line, "candidates: processes in the cgroup in which a socket was made, or of its user; none is known to hold it"}
	}
	return []string{line}
}

// blind reports whether there are processes that could not be looked at.
func (o ownership) blind() bool { return len(o.unread) > 0 || o.hidden }

func (o owners) hints(listeners []Listener) []string {
	if found, all := o.found(listeners); o.asked && found < all && (o.blind() || os.Geteuid() > 0) {
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

func (o owners) found(listeners []Listener) (found, all int) {
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
