// Package simnet is a network of simulated hosts: each has a state, a latency
// and a share of lost or duplicated packets. It stands behind the engine seam
// in tests and benchmarks, where a fake clock runs whole scans in no time and
// the truth about every host is known.
package simnet
