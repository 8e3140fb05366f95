// Package nat reads the NAT rules of this machine and finds which of them send on
// the first packet of a connection to a port, and where to.
//
// Read lists the nat chains of nf_tables through netlink, evaluates their rules for
// all asked ports at once, and returns what came of it as data: redirects with the
// rule, the target and what else they depend on, rules that cover a port and were
// not understood, and how much of the rules could be read. A set of packets goes
// through the expressions of each rule as the kernel lets one packet: registers
// hold constants, or bytes of which only the origin is known (a port, an own
// address, a mark), and each comparison narrows the set. The library
// google/nftables is not used, because it drops expressions that it does not know
// without an error, which would change what a rule means.
package nat
