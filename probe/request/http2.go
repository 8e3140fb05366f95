package request

import (
	"bytes"

	"golang.org/x/net/http2/hpack"
)

// http2Preface begins a connection (RFC 9113, section 3.4), with empty SETTINGS.
const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// PageOverHTTP2 is the request for the first page of a host, whose name may have a port: the
// preface, SETTINGS, and HEADERS that end stream 1 (RFC 9113, sections 6.2 and 8.3.1).
func PageOverHTTP2(host string) []byte {
	if host == "" {
		host = "localhost"
	}
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: host},
		{Name: ":path", Value: "/"}, {Name: "user-agent", Value: "onmux"}, {Name: "accept", Value: "*/*"},
	} {
		_ = encoder.WriteField(f) // a buffer takes everything
	}
	const endStreamAndHeaders = 0x05
	n := block.Len()
	frame := []byte{byte(n >> 16), byte(n >> 8), byte(n), 1, endStreamAndHeaders, 0, 0, 0, 1}
	return append(append([]byte(http2Preface), frame...), block.Bytes()...)
}
