// Package exitcode has the codes that a command ends with, and what other programs make of them.
package exitcode
