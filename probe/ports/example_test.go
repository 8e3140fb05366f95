package ports_test

import (
	"fmt"

	"onmux/probe"
	"onmux/probe/ports"
)

// Ports as users write them; those without a protocol take the given ones.
func ExampleParse() {
	list, err := ports.Parse([]string{"417", "80,443/tcp", "53/udp"}, probe.Protos())
	fmt.Println(list, err)
	_, err = ports.Parse([]string{"onmx"}, nil)
	fmt.Println(err)
	// Output:
	// [417/tcp 417/udp 80/tcp 443/tcp 53/udp] <nil>
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
