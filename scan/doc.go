// Package scan answers what is true of many endpoints. A Plan turns targets
// into a lazy index space, an order permutes it, and one loop, Run, walks it in
// passes: the first pass asks every endpoint, each later one only those that
// are still silent, until the loss that was measured says that nobody who
// answers is likely to be missed. What leaves and what comes back is an
// Engine's business: sockets without privileges here, packets elsewhere. Every
// endpoint ends with a verdict of one byte; open ones are told as they are
// found, the dull ones as ranges at the end.
package scan
