// Package neighbor answers which hardware address a host on the same link has. It reads the
// kernel's table of neighbors, and sends nothing.
package neighbor
