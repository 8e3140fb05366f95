// Package ip answers what the headers of an IP packet state: from where to where, which
// transport, which fragment of which datagram, and where its body lies. It reads IPv4 and
// IPv6 with extension headers, and allocates nothing.
package ip
