// Package wire answers who offers a port and who tries to reach it, by the packets that
// pass: which endpoints were asked, what they answered, and the flows between them. It
// sends nothing.
//
// A packet is read from the outside in (unpacker: IP, fragments, one tunnel) and assigned to a flow,
// where it is judged as an answer to a probe would be (tracker). What can be kept is bounded: flows
// beyond the bound are folded into ranges of clients (sums), and of the bytes of a connection only
// the first are put in order, to identify the service (identifier). Silence means something only
// as far as the capture has the traffic (scope).
package wire
