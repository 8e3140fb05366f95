// Package fold answers what a scan found that is not open, in a table of few rows: records that agree
// are one, with as many of their addresses as there is room for.
package fold
