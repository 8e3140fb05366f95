// Package netlink asks the Linux kernel through netlink(7): for routes, rules,
// interfaces, addresses and neighbors with functions of its own, and for whatever
// else a caller knows the messages of through a Client.
//
// Messages are built with github.com/vishvananda/netlink/nl. Receiving is done
// here: a large dump is passed on datagram by datagram out of one buffer, it ends
// with its context, and nothing in an answer is trusted. On other systems the
// package is empty.
package netlink
