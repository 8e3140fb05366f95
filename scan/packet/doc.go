// Package packet knows what packets and ports are called and how they are laid
// out in bytes. It is the only user of gopacket's layers, so that nothing else
// depends on how that library sees the world.
package packet
