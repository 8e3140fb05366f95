// Package raw is the engine that writes and reads packets itself: TCP is asked
// with a SYN and nothing more, UDP with a datagram. It needs CAP_NET_RAW when it
// is made, and not afterwards.
//
// Packets take the route that the kernel's would. To an Ethernet they leave as
// frames, and the engine resolves the MAC of each next hop by ARP and NDP of its
// own. Everywhere else (loopback, tunnels) the kernel sends them. Nothing is kept
// for a target, except while its neighbor is resolved: what proves an answer is
// in the probe.
package raw
