// Package evidence writes the sentences about what a probe of one endpoint showed: the
// evidence of its verdict, and notes that qualify it.
package evidence
