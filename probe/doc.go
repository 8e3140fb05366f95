// Package probe answers what is true of one endpoint: one address, one port,
// one transport protocol. It is the ground floor of onmux: it owns the words
// that everything above uses (Endpoint, State, Reason, Result) and the single
// attempt, TCP or UDP, that turns what the network did into one of those words
// together with the evidence for it. On Linux the evidence comes from the
// socket's own error queue (ip(7), IP_RECVERR), so that an ICMP message is told
// with its type, its code and its sender, without privileges. The package keeps
// no state between attempts and imports nothing else of the project.
package probe
