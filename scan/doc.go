// Package scan asks many endpoints and gives each a verdict. One loop, Run, walks a
// target.Plan in a random order, in passes: the first pass asks every endpoint, each
// later one only those that are still silent, until the measured loss shows
// that no answering host is likely to be missed. What leaves and what comes back is
// an engine.Engine's business. Open endpoints are emitted as they are found, the
// others as ranges at the end.
//
// A dispatcher takes batches of endpoints from the table and sends them, a receiver
// takes answers into it, records leave through a queue; each type with a lock owns
// all fields behind it. Whether silence means anything at present is decided in
// package control, rates and waits in timing, verdicts and loss in verdict.
package scan
