// Package local answers what holds a port on this machine, who owns it, and if
// nothing does, what is in the way of binding it. It puts together what its rooms
// find: socket (which sockets there are), owner (which processes hold them) and
// netns (which sockets hold the port in other network namespaces). What could not
// be read is part of the report and makes a verdict "unknown", never "free".
package local
