// Package link is where packets leave and enter this machine: the routes that the
// kernel would choose, sockets that send frames in batches, sockets that receive
// what comes back, and the source ports and privileges for both. It does not read
// packets; package packet does.
//
// Only Linux has all of this. Elsewhere every constructor fails with an error
// that wraps errors.ErrUnsupported.
package link
