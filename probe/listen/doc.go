// Package listen answers on ports of this machine, so that another machine can prove the path
// to it: it reports who came, from where and how, and answers a keyed question (package
// farend).
//
// It is made to be reachable from anywhere for a while: connections, memory and time are bounded, and
// no datagram is answered with more bytes than it had.
package listen
