// Package packets writes the sentences about what becomes of packets on their way to a
// socket: rules and programs that send them on, and what the firewall does with them.
package packets
