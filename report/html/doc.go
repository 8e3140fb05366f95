// Package html writes a report as one self-contained page, with a map, a histogram
// and a table that a script of its own draws. Nothing is ever loaded from elsewhere.
package html
