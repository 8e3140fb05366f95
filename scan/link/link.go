package link

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
)

// Device is a network interface as it was when it was listed. It is read-only.
type Device struct {
	Index    int
	Name     string
	MTU      int
	MAC      [6]byte // of an Ethernet; zero elsewhere
	Ethernet bool    // frames with MAC addresses that ARP and NDP find out
	Loopback bool
	Carrier  bool // it is up, and so is what lies below it

	addrs []netip.Addr
}

// Has reports whether a is one of the device's own addresses.
func (d *Device) Has(a netip.Addr) bool {
	for _, own := range d.addrs {
		if own == a.WithZone("") {
			return true
		}
	}
	return false
}

// Source is the address from which a neighbor of the family of a is asked for its
// MAC: prefer if the device has it, as the kernel does, else one of its own,
// link-local first. It is the zero Addr if there is none.
func (d *Device) Source(a, prefer netip.Addr) netip.Addr {
	if prefer.Is4() == a.Is4() && (prefer.Is4() || d.Has(prefer)) {
		return prefer
	}
	var found netip.Addr
	for _, own := range d.addrs {
		if own.Is4() == a.Is4() && (!found.IsValid() || own.IsLinkLocalUnicast() && !found.IsLinkLocalUnicast()) {
			found = own
		}
	}
	return found
}

// Route is the kernel's decision on packets to some addresses.
// Equal decisions are the same Route. It is read-only.
type Route struct {
	ID      int // its place in Table.Routes
	Device  *Device
	Src     netip.Addr // our address, without a zone
	Gateway netip.Addr // the next hop, of either family; the zero Addr where the target is on the link itself
	Frames  bool       // the next hop is reached by Ethernet frames that we may write; else the kernel sends
	MTU     int        // in bytes, of the IP packet
	Err     error      // why there is no route; all else is zero then
}

// Span is a run of addresses of one family and zone, both ends included.
type Span struct{ First, Last netip.Addr }

// Neighbor is an entry of the kernel's table of neighbors that can be used.
type Neighbor struct {
	Addr  netip.Addr
	MAC   [6]byte
	Fixed bool // set by an administrator: never ask
}

// FirstPort is the least source port: as Linux' ephemeral ports, which firewalls expect
// of clients.
const FirstPort = 32768

// PortRange is a block of ports, both ends included.
type PortRange struct{ First, Last uint16 }

// Contains reports whether a port is in the block.
func (r PortRange) Contains(port uint16) bool { return r.First <= port && port <= r.Last }

// ErrDown means that an interface that is needed cannot be used, or no longer.
var ErrDown = errors.New("the interface is down")

// ErrAddressRemoved means that an address from which probes were sent was removed.
var ErrAddressRemoved = errors.New("the address was removed from this machine")

// SendError explains why the kernel, or a route of its tables, refuses to send to
// an address. It wraps err.
func SendError(err error) error {
	switch err {
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH:
		return fmt.Errorf("no route to it from this machine (%w)", err)
	case syscall.EACCES, syscall.EPERM:
		return fmt.Errorf("this machine may not send to it: a firewall or route of its own forbids it, "+
			"or it is a broadcast address (%w)", err)
	}
	return fmt.Errorf("this machine cannot send to it, perhaps because of one of its routes (%w)", err)
}

// slot is how many bytes a received packet may take, the Ethernet header
// included; longer ones are cut. It holds what an Ethernet carries, so that checksums
// can be verified.
const slot = 1600

// Batch is how many packets one system call sends or receives at most.
const Batch = 256

// CloseAll calls all functions at the same time and returns their errors: for each
// packet socket that is closed the kernel waits some 20 ms until it cannot be in use
// (packet_release in net/packet/af_packet.c).
func CloseAll(all []func() error) error {
	errs := make([]error, len(all))
	var closing sync.WaitGroup
	for i, f := range all {
		closing.Go(func() { errs[i] = f() })
	}
	closing.Wait()
	return errors.Join(errs...)
}
