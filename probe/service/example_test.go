package service_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"onmux/probe"
	"onmux/probe/service"
)

// A server that sends the version line of SSH, on an arbitrary port.
func ExampleIdentify() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.WriteString(c, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
				io.Copy(io.Discard, c)
			}()
		}
	}()
	at := l.Addr().(*net.TCPAddr).AddrPort()
	e := probe.Endpoint{Addr: at.Addr(), Port: at.Port(), Proto: probe.TCP}

	s, err := service.Identify(context.Background(), e, service.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Name, s.Product, s.Version, s.Confidence)
	fmt.Println(s.Banner)
	// Output:
	// ssh OpenSSH 9.2p1 high
	// SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n
}
