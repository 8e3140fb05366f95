// Package hello answers what the first messages of a TLS handshake show to somebody who
// only reads along: the name that the client asks for, the version, suite and protocol that
// the server takes, its certificate where that is in clear, and the fingerprint JA4 of the
// client.
package hello
