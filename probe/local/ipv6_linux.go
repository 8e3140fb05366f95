package local

import (
	"os"
	"path/filepath"
	"strings"

	"onmux/probe/local/socket"
)

// ipv6Obstacle is why binding to an IPv6 address fails here, "" if it does not.
func ipv6Obstacle() string { return withoutIPv6(socket.ProcNet{Dir: "/proc/thread-self/net"}) }

// withoutIPv6 says what binding meets where there is no IPv6; "" where there is.
// The sysctl that switches IPv6 off takes the addresses away, and no more:
// binding [::] still works then.
func withoutIPv6(files socket.ProcNet) string {
	if files.LacksIPv6() {
		return "IPv6: not available on this machine: binding [::] fails"
	}
	addrs, err := os.ReadFile(filepath.Join(files.Dir, "if_inet6"))
	switch {
	case err != nil:
		return "" // not known
	case len(strings.TrimSpace(string(addrs))) == 0:
		return "IPv6: no interface has an address: binding [::1] fails, and [::] takes IPv4 only"
	case !hasLoopback6(string(addrs)):
		return "IPv6: loopback has no ::1: binding [::1] fails"
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
