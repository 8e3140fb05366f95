// Package link is where packets leave and enter this machine: which way the
// kernel would take to an address, sockets that send frames in batches, sockets
// that hear what comes back, and the source ports and privileges for both. It
// knows nothing of probes; what the bytes mean is package packet's business.
//
// Only Linux has all of this. Elsewhere every constructor fails with an error
// that wraps errors.ErrUnsupported.
package link
