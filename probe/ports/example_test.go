package ports_test

import (
	"fmt"

	"onmux/probe"
	"onmux/probe/ports"
)

// Ports as users write them; those without a protocol take the given ones.
func ExampleParse() {
	list, err := ports.Parse([]string{"417,53/udp", "400-402/tcp"}, probe.Protos())
	fmt.Println(list, err)
	_, err = ports.Parse([]string{"onmx"}, nil)
	fmt.Println(err)
	// Output:
	// [417/tcp 417/udp 53/udp 400/tcp 401/tcp 402/tcp] <nil>
	// "onmx" is not a port name; did you mean onmux?
}

// What IANA calls a port, and which ports have a name.
func ExampleNameOf() {
	fmt.Println(ports.NameOf(probe.Port{Number: 417, Proto: probe.TCP}))
	fmt.Println(ports.NumbersOf("http-alt", probe.TCP))
	fmt.Println(ports.RangeOf(417))
	// Output:
	// onmux
	// [591 8008 8080]
	// system
}
