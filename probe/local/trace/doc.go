// Package trace finds out by trying what the kernel's tables do not have: who
// answers connections to a port of this machine, and whether the port can be bound.
//
// Connect opens connections to own addresses, each once and without sending any
// data, and looks up the sockets at their other ends, which behind a NAT redirect
// are bound to another port. Where a proxy takes a connection, FindBehind looks up
// who listens where the proxy passes it on to. TryBind binds a port as a server does
// and closes the socket at once. All results are data. Only Linux lists whose socket
// has which peer; elsewhere nothing is tried.
package trace
