// Package wire answers who offers a port and who tries to reach it, by the packets that
// pass: which endpoints were asked, what they answered, and the flows between them. It
// sends nothing.
//
// A packet is read from the outside in (dissect.go: link, IP, one tunnel), belongs to a
// flow (flows.go), and is judged there as an answer to a probe would be (tcp.go, datagram.go,
// icmp.go). What can be kept is bounded: flows beyond the bound are folded into ranges of
// clients (fold.go), and of the bytes of a connection only the first are put in order
// (stream.go), to identify the service.
package wire
