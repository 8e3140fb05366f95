package probe_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"onmux/probe"
)

// One attempt at a port that is open and at one that is closed.
func ExampleDo() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	at := l.Addr().(*net.TCPAddr).AddrPort()
	e := probe.Endpoint{Addr: at.Addr(), Port: at.Port(), Proto: probe.TCP}
	o := probe.Options{Timeout: 10 * time.Second}

	r, err := probe.Do(context.Background(), e, o)
	fmt.Println(r.State, r.Reason, err)
	l.Close()
	r, err = probe.Do(context.Background(), e, o)
	fmt.Println(r.State, r.Reason, err)
	// Output:
	// open syn-ack <nil>
	// closed reset <nil>
}
