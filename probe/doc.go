// Package probe answers what is true of one endpoint: one address, one port, one
// transport protocol. It is the ground floor of onmux: it has the types that everything
// above uses (Endpoint, State, Reason, Result) and the single attempt, TCP or UDP, that
// turns what the network did into a State with its evidence. On Linux the evidence comes
// from the socket's own error queue (ip(7), IP_RECVERR), so that an ICMP message is
// reported with its type, its code and its sender, without privileges. The package keeps
// no state between attempts.
package probe
