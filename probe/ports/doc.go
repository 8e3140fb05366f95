// Package ports answers what a port is called and what is on record about it,
// from IANA's registry, this machine's table of services and published sources.
// It sends nothing.
package ports
