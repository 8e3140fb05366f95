// Package hostport answers which host and which ports a word names that people write or
// copy: HOST, HOST:PORTS, [ADDRESS]:PORTS or a URL.
package hostport
