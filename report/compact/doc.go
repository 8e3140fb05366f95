// Package compact keeps the endpoints and ranges of a report in little memory: 32 bytes
// for each, with what many of them have in common stored once, and long text in a
// temporary file. Formats and comparisons that need a whole report in another order keep
// it here.
package compact
