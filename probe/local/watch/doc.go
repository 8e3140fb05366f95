// Package watch answers when sockets begin and stop listening, as it happens. The kernel
// reports the end of a socket by itself (sock_diag's multicast groups); what begins is
// found by listing again, so often that it takes at most a hundredth of a processor. On
// other systems than Linux both are found by listing.
package watch
