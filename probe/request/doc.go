// Package request has the first messages that clients send to services: one
// table for TCP (tcp.go) and one for UDP (udp.go), with the document that each
// message was written from. Probing and scanning send the datagrams that Payloads
// chooses for a port; identifying a service goes through TCP and UDP.
//
// No message changes anything at the peer, logs anyone in, or causes an answer
// that would be worth amplifying. A number that an answer repeats is 0x0417, or
// 0x04170417 where it has four bytes.
//
// The package imports nothing else of the project.
package request
