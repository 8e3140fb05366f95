package request

import (
	"net/netip"
	"strings"
)

// PageOf is the request for the first page of a host, whose name may have a port: HTTP with
// the Host field.
func PageOf(host string) []byte { return pageOfHost(host) }

// pageOfHost gets the first page of the host's name (RFC 9110, section 7.2).
func pageOfHost(host string) []byte {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + a.WithZone("").String() + "]"
	}
	if host == "" || strings.ContainsAny(host, "\r\n ") {
		host = "localhost"
	}
	return []byte("GET / HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: onmux\r\nAccept: */*\r\nConnection: close\r\n\r\n")
}

func sipOverTCP() []byte { return sipOptions("TCP") }

func sipOverUDP() []byte { return sipOptions("UDP") }

// sipOptions requests the capabilities of a SIP element (RFC 3261, section 11). The reply goes to
// the address that the request came from (RFC 3581).
func sipOptions(transport string) []byte {
	return []byte("OPTIONS sip:onmux@invalid SIP/2.0\r\n" +
		"Via: SIP/2.0/" + transport + " invalid;branch=z9hG4bK-onmux;rport\r\n" +
		"Max-Forwards: 70\r\nFrom: <sip:onmux@invalid>;tag=onmux\r\nTo: <sip:onmux@invalid>\r\n" +
		"Call-ID: onmux\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
}

// XMPPStream opens a stream to a server of that name (RFC 6120, section 4.7).
func XMPPStream(host string) []byte {
	if host == "" || strings.ContainsAny(host, "<>&'\" ") {
		host = "localhost"
	}
	return []byte("<?xml version='1.0'?><stream:stream to='" + host + "'" +
		" xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
}
