//go:build !linux

package local

// ipv6Obstacle knows nothing of this system's IPv6.
func ipv6Obstacle() ObstacleKind { return "" }
