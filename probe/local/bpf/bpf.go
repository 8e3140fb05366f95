package bpf

import (
	"maps"
	"net/netip"
	"slices"

	"onmux/probe"
)

// Query is what to look at.
type Query struct {
	Ports      map[probe.Proto][]uint16 // sorted
	IPv4, IPv6 bool
	Own        func() []netip.Addr // the addresses of this network namespace; called if there is a program
}

// Result is which programs there are. The zero value means that they were not looked
// at.
type Result struct {
	Status    Status
	Err       error // of Failed
	Attached  []Program
	Filters   map[uint64][]Program // by cgroup, the inode of its directory: what may drop packets of sockets made there
	Steered   []Steered
	Tried     []netip.Addr             // addresses for which sk_lookup was evaluated
	Undecided map[probe.Port][]Program // sk_lookup of which it is not known what it does with packets to the port
}

// FiltersOf is the programs that may drop packets of the sockets made in some cgroups: of one
// that was not seen, any.
func (r Result) FiltersOf(cgroups []uint64) []Program {
	var all []Program
	add := func(programs []Program) {
		for _, p := range programs {
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	for _, c := range cgroups {
		if programs, seen := r.Filters[c]; seen {
			add(programs)
			continue
		}
		for _, c := range slices.Sorted(maps.Keys(r.Filters)) {
			add(r.Filters[c])
		}
	}
	return all
}

// Incomplete reports whether there may be programs that were not seen.
func (r Result) Incomplete() bool { return r.Status == NotPermitted || r.Status == Failed }

// Status is whether programs could be listed.
type Status string

// Every Status; "" means that they were not looked for.
const (
	Complete     Status = "complete"
	NotPermitted Status = "not permitted" // it takes CAP_BPF or CAP_SYS_ADMIN, and CAP_NET_ADMIN
	Unsupported  Status = "unsupported"   // by this kernel
	Failed       Status = "failed"
)

// Program is a program that is attached somewhere.
type Program struct {
	ID    uint32
	Name  string // as its author named it, at most 15 bytes
	Kind  Kind
	Where string // the path of a cgroup below the hierarchy's root, or the name of a device

	// The device is a loopback device: the program sees this machine's own connections to
	// itself, and no others.
	Inside bool
}

// Kind is what a program is attached to.
type Kind string

// Every Kind.
const (
	SKLookup  Kind = "sk_lookup" // this network namespace: it chooses the socket of a new connection
	Connect4  Kind = "connect4"  // a cgroup: it may change where its processes connect to
	Connect6  Kind = "connect6"
	Sendmsg4  Kind = "sendmsg4" // a cgroup: it may change where its processes send datagrams
	Sendmsg6  Kind = "sendmsg6"
	Ingress   Kind = "cgroup_skb/ingress" // a cgroup: it may drop what arrives for its sockets
	Egress    Kind = "cgroup_skb/egress"  // ... what they send
	XDP       Kind = "xdp"                // a device: it sees what arrives first
	TC        Kind = "tc"                 // a device's ingress, of a loopback device its egress too; perhaps no BPF
	Netfilter Kind = "netfilter"          // a hook of netfilter, of this network namespace or another
)

// Touches reports whether a program of the kind may decide about packets of a
// protocol.
func (k Kind) Touches(p probe.Proto) bool {
	return p == probe.UDP || k != Sendmsg4 && k != Sendmsg6
}

// Steered is a socket that sk_lookup chooses for new connections to a port.
type Steered struct {
	Port    probe.Port
	Addr    netip.Addr // of this machine, to which they go
	Program Program
	Cookie  uint64 // of the socket; 0: it is not known which of a group
	Outside bool   // tried as from another machine
}
