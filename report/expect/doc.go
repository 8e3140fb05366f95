// Package expect holds records against expectations and returns the violations. It
// reads nothing and writes nothing. What could not be measured violates nothing: it
// leaves the outcome undecided.
package expect
