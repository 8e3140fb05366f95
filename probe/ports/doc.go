// Package ports answers what is known of a port number: what it is called at IANA
// and on this machine, in which range it lies, what is needed to bind it here, and
// what is on record about its history. It reads ports as users write them, by number,
// range or name. It sends nothing and opens no socket.
//
// registry.gz has IANA's names; go generate writes it anew.
package ports
