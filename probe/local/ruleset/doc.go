// Package ruleset reads the rules of nf_tables and finds what they do to the first
// packet of a connection to each port of this machine: send it on, drop it, reject
// it or let it pass.
//
// Read lists tables, chains, rules and sets through netlink and follows the packets
// of all ports at once on their way to a socket: past the chains of netdev's and
// inet's ingress, of prerouting and input for what arrives, and first of output and
// postrouting for what this machine sends itself. A set of packets goes through the
// expressions of each rule as the kernel lets one packet: registers hold constants, or
// bytes of which only the origin is known (a port, an address, a mark), and each
// comparison splits the set. Where a rule depends on something that is not known, both
// ways are followed, and what comes of either names the condition. The library
// google/nftables is not used, because it drops expressions that it does not know
// without an error, which would change what a rule means.
package ruleset
