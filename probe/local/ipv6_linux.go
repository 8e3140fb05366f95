package local

import (
	"os"
	"path/filepath"
	"strings"

	"onmux/probe/local/socket"
)

// ipv6Obstacle is why binding to an IPv6 address fails here, "" if it does not.
func ipv6Obstacle() ObstacleKind { return withoutIPv6(socket.ProcNet{Dir: "/proc/thread-self/net"}) }

// withoutIPv6 is what is missing of IPv6; "" where nothing is. The sysctl that
// switches IPv6 off takes the addresses away, and no more: binding [::] still works
// then.
func withoutIPv6(files socket.ProcNet) ObstacleKind {
	if files.LacksIPv6() {
		return NoIPv6
	}
	addrs, err := os.ReadFile(filepath.Join(files.Dir, "if_inet6"))
	switch {
	case err != nil:
		return "" // not known
	case len(strings.TrimSpace(string(addrs))) == 0:
		return NoIPv6Address
	case !hasLoopback6(string(addrs)):
		return NoIPv6Loopback
	}
	return ""
}

// hasLoopback6 looks for ::1 in /proc/net/if_inet6, of which each line starts with
// an address as 32 digits.
func hasLoopback6(addrs string) bool {
	for line := range strings.Lines(addrs) {
		if strings.HasPrefix(line, strings.Repeat("0", 31)+"1 ") {
			return true
		}
	}
	return false
}
