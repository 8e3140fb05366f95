// Package lookup answers which addresses a name has: those of both families, each of
// which may fail by itself, and those of localhost.
package lookup
