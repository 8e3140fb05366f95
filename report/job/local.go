package job

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"

	"onmux/probe"
	"onmux/probe/wording"
)

// ParseLocal reads from where is probed: an address of this machine, "" for any, a port, 0
// for any, and the name of an interface, "" for any.
func ParseLocal(address string, port uint, device string) (l probe.Local, err error) {
	if port > math.MaxUint16 {
		return l, &wording.UsageError{Err: fmt.Errorf("--source-port %d is out of range", port), Hint: "1 to 65535"}
	}
	l = probe.Local{Port: uint16(port), Device: device}
	if device != "" {
		if err := CheckInterface(device); err != nil {
			return l, err
		}
	}
	if address == "" {
		return l, nil
	}
	a, err := netip.ParseAddr(strings.Trim(address, "[]"))
	if err != nil || a.IsUnspecified() {
		return l, &wording.UsageError{
			Err: fmt.Errorf("--source %s is not an address", address), Hint: "--interface takes the name of an interface",
		}
	}
	l.Addr = a.Unmap()
	own, err := net.InterfaceAddrs()
	has := func(n net.Addr) bool {
		p, ok := n.(*net.IPNet)
		return ok && p.IP.Equal(l.Addr.WithZone("").AsSlice())
	}
	if err == nil && !l.Addr.IsLoopback() && !slices.ContainsFunc(own, has) {
		return l, &wording.UsageError{
			Err: fmt.Errorf("--source %s: this machine has no such address", address), Hint: "ip address lists them",
		}
	}
	return l, nil
}

// CheckInterface returns an error if this machine has no interface of that name.
func CheckInterface(name string) error {
	if _, err := net.InterfaceByName(name); err != nil {
		return &wording.UsageError{Err: fmt.Errorf("--interface %s: this machine has no such interface", name)}
	}
	return nil
}
