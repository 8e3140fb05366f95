package request_test

import (
	"fmt"

	"onmux/probe/request"
)

// The first two attempts at DNS's port, and how many different ones a port without a
// known service gets.
func ExamplePayloads() {
	for _, datagram := range request.Payloads(53) {
		fmt.Printf("%q\n", datagram[12:]) // behind the header
	}
	fmt.Println(len(request.Payloads(417)))
	// Output:
	// "\x00\x00\x02\x00\x01"
	// "\aversion\x04bind\x00\x00\x10\x00\x03"
	// 15
}
