// Package local answers what holds a port on this machine, who owns it, and if
// nothing does, what is in the way of binding it. It puts together what its rooms
// find: socket (which sockets there are), owner (which processes hold them), netns
// (which sockets hold the port in other network namespaces), nat (which rules send
// on what arrives for it) and trace (who answers a connection). What could not be
// read is part of the report and makes a verdict "unknown", never "free".
//
// Everything is returned as data: a verdict with its cause, caveats and obstacles.
// The sentences about it are written by report/phrase.
package local
