// Package coverage writes the sentences about what a probe or a scan covers, and about what
// it leaves out.
package coverage
