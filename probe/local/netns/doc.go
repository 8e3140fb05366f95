// Package netns answers which sockets hold a port in other network namespaces than
// the caller's. It finds namespaces by the processes that live in them and by the
// files to which they are bound, enters each on a thread of its own, or reads
// /proc/<pid>/net where it may not, and gives them the names that people know:
// that of ip-netns(8), of the container or of the pod.
package netns
