// Package socket answers which sockets of this machine use a port. On Linux the
// kernel is asked through sock_diag(7), which filters by port; where that is
// refused, /proc/net is read, which reports less. Elsewhere gopsutil lists what
// the system does.
//
// A Table has what was seen of each port, bounded however many sockets use it. A
// Source is where the sockets of a protocol were read, and what it does not
// report: what could not be read is never taken for no socket.
package socket
