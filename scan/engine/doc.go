// Package engine is the seam between the scan's loop and the network: probes
// leave through an Engine, and answers come back. The loop in package scan
// decides what is asked, when, and what the answers mean; an engine decides how
// a probe leaves and how its answer is recognised. Both sides import this
// package, and neither imports the other.
package engine
