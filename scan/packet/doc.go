// Package packet knows what packets and ports are called and how they are laid
// out in bytes. It is the only user of gopacket's layers, so that nothing else
// depends on how that library sees the world.
//
// For a packet sweep it has what is between the plan and the sockets, as pure
// functions that do not allocate: a Builder writes probes that carry Cookies, a
// Filter keeps in the kernel what answers none of them, and a Decoder reads the
// rest. PutSolicit asks for the MAC of a neighbour.
package packet
