// Package packet writes probes and reads their answers, as bytes: pure functions
// that do not allocate. A Builder writes probes that carry Cookies, a Filter lets
// the kernel drop what cannot answer one, and a Decoder reads and validates the
// rest. PutSolicit asks for the MAC of a neighbor.
//
// It is the only package that uses gopacket for packets: probes are serialized by
// it, and the tests compare both directions with its layers.
package packet
