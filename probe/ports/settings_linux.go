package ports

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func servicesFile() string { return "/etc/services" }

// ReadSettings reads the rules of this network namespace (ip-sysctl, in the kernel's
// documentation); the settings under ipv4 hold for IPv6 too.
func ReadSettings() Settings {
	var s Settings
	const dir = "/proc/sys/net/ipv4/"
	var err error
	if s.UnprivilegedFrom, err = readUnprivilegedFrom(dir + "ip_unprivileged_port_start"); err != nil {
		s.unknown(LowPorts, err)
	}
	if may, err := mayBindLow("/proc/self/status"); err != nil {
		s.unknown(Privilege, err)
	} else {
		s.Privileged = &may
	}
	if s.Ephemeral, err = readEphemeral(dir + "ip_local_port_range"); err != nil {
		s.unknown(EphemeralPorts, err)
	}
	text, err := os.ReadFile(dir + "ip_local_reserved_ports")
	if err == nil {
		s.Reserved, err = parseSpans(string(text))
	}
	if s.ReservedKnown = err == nil; err != nil {
		s.unknown(ReservedPorts, err)
	}
	return s
}

func readUnprivilegedFrom(file string) (*int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 17)
	if err != nil || n > 1<<16 {
		return nil, fmt.Errorf("%s has no port in it", file)
	}
	return new(int(n)), nil
}

func readEphemeral(file string) (*Span, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	ends := strings.Fields(string(text))
	if len(ends) != 2 {
		return nil, fmt.Errorf("%s has no range of ports in it", file)
	}
	span, err := parseSpan(ends[0], ends[1])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &span, nil
}

// mayBindLow reports whether this process has CAP_NET_BIND_SERVICE where it
// counts: in the user namespace that owns this network namespace. Root of a user
// namespace alone has the capability and may not use it here.
func mayBindLow(status string) (bool, error) {
	text, err := os.ReadFile(status)
	if err != nil {
		return false, err
	}
	caps, err := parseCapEff(string(text))
	if err != nil {
		return false, fmt.Errorf("%s: %w", status, err)
	}
	if caps&(1<<unix.CAP_NET_BIND_SERVICE) == 0 {
		return false, nil
	}
	return ownsNetwork(), nil
}

// ownsNetwork reports whether the network namespace belongs to the caller's user
// namespace or one below it: of one further up the kernel does not reveal the
// owner (ioctl_ns(2)). Kernels without that call are taken to belong to the caller.
func ownsNetwork() bool {
	fd, err := unix.Open("/proc/self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true
	}
	defer unix.Close(fd)
	owner, err := unix.IoctlRetInt(fd, unix.NS_GET_USERNS)
	if err == nil {
		unix.Close(owner)
	}
	return !errors.Is(err, unix.EPERM)
}

// parseCapEff finds the effective capabilities in /proc/<pid>/status (proc(5)).
func parseCapEff(status string) (uint64, error) {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if err != nil {
				return 0, errors.New("CapEff is not a number")
			}
			return caps, nil
		}
	}
	return 0, errors.New("it has no CapEff")
}
