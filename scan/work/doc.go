// Package work divides one scan among several machines. A requester makes the plan, puts
// the segments of its keyed order into a queue, and gathers what workers find out about
// them; a worker takes segments, scans them within its own bounds and stores the verdicts
// before it acknowledges. Every segment is scanned once, by whichever worker takes it
// first, or once in each of several zones.
//
// A segment whose worker dies goes to another one when its lease has run out. What is
// stored twice counts once: of several answers for one segment and zone the first that is
// whole is taken, and a scan is complete when the segments that were taken are all
// positions of the order, each once. What carries the messages is behind the interfaces
// Requests and Segments.
package work
